#!/usr/bin/env bash
# Fetches the crates of a manifest that is not the product's:   scripts/fetch.sh MANIFEST
#
# Ends with 3 and a sentence where the registry cannot be reached, and with cargo's words and another
# code where something else is wrong, such as a lock file that no longer fits.
set -euo pipefail
host=$(rustc -vV | sed -n 's/^host: //p')
if ! said=$(cargo fetch --locked --manifest-path "$1" --target "$host" 2>&1); then
  if ! grep -q 'lock file' <<< "$said" && grep -qiE 'resolve host|connect|timed out|timeout|offline|spurious network|download|proxy' <<< "$said"; then
    echo "skipped: cargo cannot fetch what $1 names: $(grep -m 1 -iE '^error' <<< "$said" | cut -c 1-200)" >&2
    exit 3
  fi
  printf '%s\n' "$said" >&2
  exit 1
fi
