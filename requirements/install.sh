#!/bin/sh
# Installs what is locked in requirements/run.txt, and this project and its client, into a virtual environment:
#
#     requirements/install.sh .venv python3 [~/.cache/flow-pipelines]
#
# By uv, where that is on the PATH; else by pip of the Python that made the environment. To look packages up in its index
# takes pip seconds, also where it has them all in its cache. So a copy of what it has installed is kept (the last
# argument), by lock and Python, and linked into the environments of other clones.
set -eu
environment=$1 python=$2 kept=${3-}
lock=requirements/run.txt
if sed -u p </dev/null 2>/dev/null; then sed='sed -u'; else sed='sed'; fi

{ read -r site; read -r key; } <<END
$("$environment/bin/python" -c '
import hashlib, pathlib, sys, sysconfig
print(sysconfig.get_path("purelib"))
decides = pathlib.Path(sys.argv[1]).read_bytes() + sys.version.encode() + sysconfig.get_platform().encode()
print(f"{sys.implementation.cache_tag}-{hashlib.sha256(decides).hexdigest()[:32]}")' "$lock")
END

# By hard links, which take no room; or as copies, where the two are on different disks.
copy() {
  rm -rf "$2"
  cp -al "$1" "$2" 2>/dev/null || { rm -rf "$2" && cp -a "$1" "$2"; }
}

take_kept() {
  [ -n "$kept" ] && [ -z "$there" ] && [ -d "$kept/$key" ] || return 1
  echo "  linking what was installed before, from $kept"
  copy "$kept/$key" "$environment/.packages" && rmdir "$site" && mv "$environment/.packages" "$site"
  touch "$kept/$key" 2>/dev/null || true
}

# Nothing depends on it: a folder that can't be written to is no failure. What was not used for a month goes.
keep() {
  [ -n "$kept" ] && [ -z "$there" ] || return 0
  {
    mkdir -p "$kept" && find "$kept" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + &&
      copy "$site" "$kept/.$$" && touch "$kept/.$$" && [ ! -e "$kept/$key" ] && mv "$kept/.$$" "$kept/$key"
  } 2>/dev/null || rm -rf "$kept/.$$"
}

install_by_uv() {
  command -v uv >/dev/null || return 1
  uv pip install --python "$environment/bin/python" --require-hashes --only-binary :all: --no-deps -r "$lock"
}

# That of the environment takes seconds to make.
find_pip() {
  if "$python" -c 'from importlib.metadata import version; exit(int(version("pip").split(".")[0]) < 23)' 2>/dev/null; then
    pip="$python -m pip --python $environment/bin/python"
  elif ls -d "$site"/pip-*.dist-info >/dev/null 2>&1 || "$environment/bin/python" -m ensurepip >/dev/null 2>&1; then
    pip="$environment/bin/python -m pip"
  else
    echo "make: $python has no pip, and can't make one: on Debian and Ubuntu, 'apt install python3-venv' helps." >&2
    return 1
  fi
}

# Two at a time, as most of what pip does is waiting and parsing. What it fetches is named as it does, so that a slow line
# is seen to be one; without resolving anything: the lock is complete.
install_by_pip() {
  find_pip
  awk -v parts="$environment/.part" '/^[a-z0-9]/ { number = (number + 1) % 2 } { print > (parts number) }' "$lock"
  rm -f "$environment/.failed"
  for part in 0 1; do
    # shellcheck disable=SC2086 # $pip is a command of several words, none with a space
    { $pip install --disable-pip-version-check --require-hashes --only-binary :all: --no-deps --progress-bar off \
        -r "$environment/.part$part" 2>&1 || touch "$environment/.failed"; } &
  done | $sed -n 's/^ *Downloading \([^ ]*\)-[^-]*-[^-]*-[^-]*[.]whl\(.metadata\)* *\(.*\)/  \1 \3/p
    s/^ *Using cached \([^ ]*\)-[^-]*-[^-]*-[^-]*[.]whl *\(.*\)/  \1 \2/p; s/^ERROR/make: &/p'
  rm -f "$environment/.part0" "$environment/.part1"
  [ ! -e "$environment/.failed" ]
}

# As `pip install --editable .` would, without fetching and running what builds packages.
install_project() {
  echo "$PWD" > "$site/flow_pipelines.pth"
  echo "$PWD/clients/python" > "$site/flow_pipelines_client.pth"
  cat > "$environment/bin/flow-pipelines" <<END
#!/bin/sh
'''exec' "$PWD/$environment/bin/python" "\$0" "\$@"
' '''
import sys

from service.__main__ import main

sys.exit(main())
END
  chmod +x "$environment/bin/flow-pipelines"
}

# What was interrupted before is completed.
mkdir -p "$site"
requirements/mend.sh "$environment"
there=$(ls -A "$site")
if ! install_by_uv && ! take_kept; then
  install_by_pip
  keep
fi
install_project
