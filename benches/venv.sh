#!/usr/bin/env bash
# A virtual environment of a bench:   benches/venv.sh NAME REQUIREMENTS [--with-ros]
#
# Prints its folder, below the build folder so that it outlives a clone, and makes it where it is not
# there or was made from another list. --with-ros: it sees the Python modules of this shell besides.
# Where pip cannot reach its package index it says so in a sentence and ends with 3; with 1 where
# something else is wrong, such as a version that is no longer there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
name=$1 list=$2 ros=${3:-}
venv=${CARGO_TARGET_DIR:-$PWD/target}/bench/$name
base=python3
[ -z "$ros" ] || base=python

# What it was made from: the list, the interpreter and, where it is to see them, this shell's modules.
made_from() {
  "$base" -c 'import os, sys; print(os.path.realpath(sys.executable), sys.version)'
  [ -z "$ros" ] || python -c 'import site; print(site.getsitepackages())'
  cat "$list"
}
if [ "$(made_from)" != "$(cat "$venv/made_from.txt" 2> /dev/null)" ] || ! "$venv/bin/python" -c '' 2> /dev/null; then
  rm -rf "$venv"
  mkdir -p "${venv%/*}"
  "$base" -m venv "$venv" >&2
  if [ -n "$ros" ]; then
    # rclpy lies in the environment of this shell's python: seen from here, and nothing of it twice.
    python -c 'import site; print("\n".join(site.getsitepackages()))' > \
      "$(echo "$venv"/lib/python3.*/site-packages)/ros.pth"
  fi
  if ! env -u PYTHONPATH "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list" > "$venv/pip.log" 2>&1; then
    # Of an index that it reaches pip lists the versions.
    if grep -qiE 'connection|resolution|timed out|unreachable|proxy|from versions: none' "$venv/pip.log"; then
      echo "skipped: pip does not reach its package index for what $list names" >&2
      exit 3
    fi
    echo "pip could not install what $list names:" >&2
    tail -n 5 "$venv/pip.log" >&2
    exit 1
  fi
  made_from > "$venv/made_from.txt"
fi
echo "$venv"
