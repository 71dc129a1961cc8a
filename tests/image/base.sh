#!/bin/sh
# Makes two base images from Debian's packages, for machines without access to a registry of images, as root:
#
#   flow-pipelines-base:build     Debian 12 with Python and pip
#   flow-pipelines-base:runtime   of it only Python, what Python loads, certificates and time zones: no shell, no tools
#
# It takes debootstrap and buildah. MIRROR names a mirror of Debian other than debootstrap's own; CERTIFICATES a file of
# authorities that pip is to trust while the image is built.
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
build=$directory/build
runtime=$directory/runtime

import() { # name, root directory
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$2" / > /dev/null
  buildah config --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
  buildah commit --quiet --rm --timestamp 0 "$container" "flow-pipelines-base:$1" > /dev/null
  echo "made localhost/flow-pipelines-base:$1"
}

debootstrap --variant=minbase --include=python3,python3-pip,ca-certificates,tzdata bookworm "$build" ${MIRROR:+"$MIRROR"} > "$directory/log" \
  || { tail -n 20 "$directory/log" >&2; exit 1; }
rm -rf "$build"/var/cache/apt/* "$build"/var/lib/apt/lists/* "$build"/var/log/*

# The links of a merged /usr, and an /etc with as much as looking up a host's name and a user's takes.
mkdir -p "$runtime/usr/bin" "$runtime/usr/lib" "$runtime/usr/lib64" "$runtime/etc/ssl/certs" "$runtime/tmp" "$runtime/proc" "$runtime/sys" "$runtime/dev"
chmod 1777 "$runtime/tmp"
for link in bin lib lib64; do ln -s "usr/$link" "$runtime/$link"; done
cp "$build/etc/nsswitch.conf" "$build/etc/passwd" "$build/etc/group" "$build/etc/os-release" "$runtime/etc/"
cp "$build/etc/ssl/certs/ca-certificates.crt" "$runtime/etc/ssl/certs/"
for package in python3-minimal python3.11-minimal libpython3.11-minimal libpython3.11-stdlib tzdata \
  libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libffi8 libssl3 libbz2-1.0 liblzma5 libuuid1; do
  chroot "$build" dpkg -L "$package"
done | grep -Ev '^/usr/share/(doc|man|lintian|bug)' | sort -u > "$directory/files"
# /lib and /bin are links in both trees, so copying goes through them. Directories come with the files in them.
while read -r path; do
  { [ -f "$build$path" ] || [ -L "$build$path" ]; } && [ ! -d "$build$path" ] && echo ".$path"
done < "$directory/files" | tar -c -C "$build" -T - | tar -x -C "$runtime" --keep-directory-symlink

if [ -n "${CERTIFICATES:-}" ]; then
  cp "$CERTIFICATES" "$build/etc/ssl/certs/ca-certificates.crt"
  printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > "$build/etc/pip.conf"
fi
import build "$build"
import runtime "$runtime"
