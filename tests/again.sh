#!/bin/sh
# Tries the tests that have just failed once more, alone, if they are few, and fails unless all of them pass then.
#
# Hundreds of tests start real processes and wait for what these do, three at a time on two processors: now and then one
# of them misses its time. That is told, with what failed, so that it can be mended; it does not end a release.
set -eu

python=$1
most=3

failed=$("$python" -c 'import json; print(*json.load(open(".pytest_cache/v/cache/lastfailed")), sep="\n")' 2>/dev/null) || exit 1
number=$(printf '%s\n' "$failed" | grep -c .) || exit 1
[ "$number" -le "$most" ] || { echo "make: $number tests failed, too many to be tried once more." >&2; exit 1; }

printf '\nmake: FAILED (%s), AND TRIED ONCE MORE, ALONE; what happened stands above:\n%s\n\n' "$number" "$failed" >&2
"$python" -m pytest --last-failed --last-failed-no-failures none -p no:xdist
"$python" -m coverage report > /dev/null || { echo "make: too little is covered by tests." >&2; exit 1; }
printf '\nmake: PASSED ONLY WHEN TRIED AGAIN:\n%s\n' "$failed" >&2
