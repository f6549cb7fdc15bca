#!/usr/bin/env bash
# What the live benches need besides the build:   benches/live/setup.sh peer | tools
#
# peer: target/bench/rclpy_ort, a virtual environment that sees the ROS 2 of this shell and has ONNX
# Runtime besides. tools: stress-ng and cyclictest, as Debian packages where that needs no password;
# the benches go on without them and say what they lack.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

peer() {
  local venv=target/bench/rclpy_ort list=benches/live/requirements.txt
  if ! cmp -s "$list" "$venv/installed.txt" || ! "$venv/bin/python" -c '' 2> /dev/null; then
    rm -rf "$venv"
    python -m venv "$venv"
    # rclpy lies in the environment of this shell's python: seen from here, and nothing of it twice.
    python -c 'import site; print("\n".join(site.getsitepackages()))' > \
      "$(echo "$venv"/lib/python3.*/site-packages)/ros.pth"
    if ! env -u PYTHONPATH "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list"; then
      echo "benches: pip could not install what $list names (its words are above): check that pip reaches its package index, then run this again." >&2
      exit 1
    fi
    cp "$list" "$venv/installed.txt"
  fi
}

tools() {
  local missing=() sudo=
  command -v stress-ng > /dev/null || missing+=(stress-ng)
  command -v cyclictest > /dev/null || missing+=(rt-tests)
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || sudo='sudo -n'
  local line="apt-get install -y --no-install-recommends ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  if command -v apt-get > /dev/null && { [ -z "$sudo" ] || sudo -n true 2> /dev/null; }; then
    $sudo $line > /dev/null 2>&1 && return 0
    { $sudo apt-get update && $sudo $line; } > /dev/null 2>&1 && return 0
  fi
  echo "benches: going on without ${missing[*]}; to have it, run as root: $line" >&2
}

for part in "$@"; do
  case $part in
    peer | tools) $part ;;
    *) echo "usage: benches/live/setup.sh peer | tools" >&2; exit 2 ;;
  esac
done
