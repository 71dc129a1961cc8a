#!/bin/sh
# Unpacks the PgBouncers of Debian 12 (1.18, without prepared statements) and 13 (1.24), each with the libraries that it
# needs, into .tools/pgbouncer-<release>; nothing is installed or started. Takes apt and Debian's archive keys.
set -eu
cd "$(dirname "$0")/../../.."
command -v apt-get >/dev/null || { echo "PgBouncer is taken from Debian's packages, and apt-get is not here: put one on the PATH." >&2; exit 2; }

# shellcheck disable=SC2016  # apt-get itself fills in $(SITE)
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)

for release in bookworm trixie; do
  [ -e ".tools/pgbouncer-$release/usr/sbin/pgbouncer" ] && continue
  work="$PWD/.tools/download/$release"
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" > "$work/sources.list"
  apt() {
    program=$1; shift
    "$program" -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$work/lists" \
      -o "Dir::Cache=$work/cache" -o "APT::Default-Release=$release" -o APT::Sandbox::User="$(id -un)" "$@"
  }
  echo "Unpacking PgBouncer of Debian $release into .tools; nothing is installed or started ..."
  apt apt-get update -qq
  packages=$(apt apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances pgbouncer | grep -E '^(pgbouncer|lib[a-z0-9.+-]*[0-9](t64|g)?|zlib1g)$' | grep -v perl | sort -u)
  # shellcheck disable=SC2086  # one argument a package
  (cd "$work" && apt apt-get download -qq $packages)
  for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/tree"; done
  mv "$work/tree" ".tools/pgbouncer-$release"
  rm -r "$work"
done
