#!/bin/sh
# Unpacks Debian's programs that inject faults, or are under test, into .tools/debian. Nothing is installed or started;
# libraries that the system has are used from there.
set -eu
cd "$(dirname "$0")/../../.."
packages="etcd-server haproxy iproute2 nftables nginx-light postgresql-15 postgresql-client-15"
target=.tools/debian

command -v apt-get >/dev/null || { echo "make: make faults needs a Debian 12 with apt-get." >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "make: make faults needs to be root: it makes network namespaces and file systems." >&2; exit 2; }
echo "Unpacking Debian's programs for make faults into $target ..."
rm -rf "$target" "$target.download"
mkdir -p "$target" "$target.download/partial"
apt-get update -qq
# --reinstall: also those that are installed. What they depend on is only brought if it is missing.
# shellcheck disable=SC2086  # one argument a package
apt-get install -qq --yes --download-only --reinstall --no-install-recommends \
  -o Dir::Cache::archives="$PWD/$target.download" -o APT::Sandbox::User=root $packages >/dev/null
for package in "$target.download"/*.deb; do
  dpkg-deb -x "$package" "$target"
done
rm -rf "$target.download"
touch "$target/.complete"
