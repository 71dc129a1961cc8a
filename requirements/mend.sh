#!/bin/sh
# Makes a virtual environment fit to be completed, in which an installation was interrupted:
#
#     requirements/mend.sh .venv
#
# pip and uv name INSTALLER in a package's RECORD once all else of the package is in its place, and take it for installed
# once it has metadata. So where RECORD does not say so, the metadata goes: the package's files are then written over.
set -eu
for site in "$1"/lib/python*/site-packages; do
  [ -e "$site" ] || continue
  rm -rf "$site"/~* # former versions, which pip had put aside to remove
  for metadata in "$site"/*.dist-info; do
    package=${metadata##*/}
    if [ -e "$metadata" ] && ! grep -qF "$package/INSTALLER," "$metadata/RECORD" 2>/dev/null; then
      echo "  ${package%.dist-info} was left half installed: it is installed anew"
      rm -rf "$metadata"
    fi
  done
  # Files of two versions of pip, of which it has replaced one by the other, are none that works.
  ls -d "$site"/pip-*.dist-info >/dev/null 2>&1 || rm -rf "$site/pip"
done
