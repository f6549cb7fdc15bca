#!/usr/bin/env bash
# stress-ng and cyclictest for the live benches, as Debian packages where that needs no password; the
# benches go on without them and say what they lack.
set -euo pipefail
missing=() sudo=
command -v stress-ng > /dev/null || missing+=(stress-ng)
command -v cyclictest > /dev/null || missing+=(rt-tests)
[ ${#missing[@]} -gt 0 ] || exit 0
[ "$(id -u)" = 0 ] || sudo='sudo -n'
line="apt-get install -y --no-install-recommends ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
if command -v apt-get > /dev/null && { [ -z "$sudo" ] || sudo -n true 2> /dev/null; }; then
  $sudo $line > /dev/null 2>&1 && exit 0
  { $sudo apt-get update && $sudo $line; } > /dev/null 2>&1 && exit 0
fi
echo "benches: going on without ${missing[*]}; to have it, run as root: $line" >&2
