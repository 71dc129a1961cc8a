#!/bin/sh
# Prints one Python of each version from 3.11 on that this machine has: of the PATH, or else of pyenv.
set -eu

for minor in 11 12 13 14 15 16 17 18 19; do
  for python in "python3.$minor" python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python; do
    found=$("$python" -c 'import sys; print("%d.%d %s" % (*sys.version_info[:2], sys.version_info.releaselevel))' 2>/dev/null) || continue
    [ "$found" = "3.$minor final" ] || continue
    command -v "$python"
    break
  done
done
