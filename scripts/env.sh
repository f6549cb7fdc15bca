# The environment of edge_reasoner for this shell:   source scripts/env.sh
#
# Works from any directory in bash and zsh (in a plain sh: from the checkout). Uses the ROS 2 that
# is already sourced, else the one scripts/setup.sh put into .ros. Afterwards cargo, colcon, python
# and the installed node work by hand. Sourcing it twice changes nothing.
#
# The order of the prefixes matters: r2r's build scripts compare AMENT_PREFIX_PATH, CMAKE_PREFIX_PATH
# and ROS_DISTRO byte by byte with the last build and start over (minutes) when they differ. So cargo
# gets them from this file everywhere, also inside colcon (CMakeLists.txt).

if [ -n "${BASH_VERSION:-}" ]; then
  _er_self=$BASH_SOURCE
elif [ -n "${ZSH_VERSION:-}" ]; then
  eval '_er_self=${(%):-%x}'
else
  _er_self=${EDGE_REASONER_ROOT:-$PWD}/scripts/env.sh
fi
_er_root=$(CDPATH= cd -P -- "$(dirname -- "$_er_self")/.." && pwd -P)

# _er_join FIRST REST: FIRST, then what REST has besides, each entry once. Entries of another
# checkout whose env.sh was sourced before are left out.
_er_join() {
  _er_out=
  _er_rest=$1:$2:
  while [ -n "$_er_rest" ]; do
    _er_item=${_er_rest%%:*}
    _er_rest=${_er_rest#*:}
    case "$_er_item/" in
      / | "${_er_other:-//}"/*) continue ;;
    esac
    case ":$_er_out:" in
      *":$_er_item:"*) ;;
      *) _er_out=${_er_out:+$_er_out:}$_er_item ;;
    esac
  done
  printf %s "$_er_out"
}

# The first prefix of AMENT_PREFIX_PATH that holds a ROS 2 which setup.sh did not make.
_er_users_ros() {
  _er_rest=${AMENT_PREFIX_PATH:-}:
  while [ -n "$_er_rest" ]; do
    _er_item=${_er_rest%%:*}
    _er_rest=${_er_rest#*:}
    if [ -e "$_er_item/share/rcl/package.xml" ] && [ ! -e "$_er_item/.edge_reasoner" ]; then
      printf %s "$_er_item"
      return
    fi
  done
}

_er_other=
if [ -n "${EDGE_REASONER_ROOT:-}" ] && [ "$EDGE_REASONER_ROOT" != "$_er_root" ]; then
  _er_other=$EDGE_REASONER_ROOT
fi

# Where colcon installs the package. CMakeLists.txt says it (another workspace may be building us).
_er_prefix=${EDGE_REASONER_PREFIX:-$_er_root/install/edge_reasoner}
if [ -z "${EDGE_REASONER_PREFIX:-}" ] && grep -qs merged "$_er_root/install/.colcon_install_layout"; then
  _er_prefix=$_er_root/install
fi

# What setup.sh made: "embedded" (a whole ROS 2) or "sourced" (Python modules beside the user's ROS).
_er_kind=
_er_version=
if [ -e "$_er_root/.ros/.edge_reasoner" ]; then
  read -r _er_kind _er_version _er_rest < "$_er_root/.ros/.edge_reasoner"
fi
_er_ok=1
_er_ros=
if [ -n "${ROS_DISTRO:-}" ]; then
  _er_ros=$(_er_users_ros)
fi
if [ -n "$_er_ros" ]; then
  # The user's ROS has its own paths already; ours come in front.
  _er_ament=$_er_prefix
  _er_libs=$_er_prefix/lib
  _er_python=$(find "$_er_prefix/lib" "$_er_prefix/local/lib" -maxdepth 2 -path '*/python3.*-packages' 2> /dev/null | paste -sd : -)
  if [ "$_er_kind" != sourced ]; then _er_kind=; fi
elif [ "$_er_kind" = embedded ]; then
  _er_ament=$_er_prefix:$_er_root/.ros
  _er_libs=$_er_prefix/lib:$_er_root/.ros/lib
  _er_python=$_er_prefix/lib/python$_er_version/site-packages
  export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3
  # The wheels start every python twice to set LD_LIBRARY_PATH; it is set here.
  export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
else
  echo "env.sh: there is no ROS 2 here yet. Run scripts/setup.sh, or source a ROS 2, then source this file again." >&2
  _er_ok=
fi

if [ -n "$_er_ok" ]; then
  export EDGE_REASONER_ROOT="$_er_root"
  AMENT_PREFIX_PATH=$(_er_join "$_er_ament" "${AMENT_PREFIX_PATH:-}")
  CMAKE_PREFIX_PATH=$(_er_join "$AMENT_PREFIX_PATH" "${CMAKE_PREFIX_PATH:-}")
  LD_LIBRARY_PATH=$(_er_join "$_er_libs" "${LD_LIBRARY_PATH:-}")
  PYTHONPATH=$(_er_join "$_er_python" "${PYTHONPATH:-}")
  # Rust by rustup is not on the PATH of a shell that was open before it was installed.
  if ! command -v cargo > /dev/null 2>&1 && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH=$HOME/.cargo/bin:$PATH; fi
  if [ -n "$_er_kind" ]; then PATH=$(_er_join "$_er_root/.ros/bin" "$PATH"); fi
  # Nothing of a build or a test belongs on the network; say SUBNET to talk to a real robot.
  : "${ROS_AUTOMATIC_DISCOVERY_RANGE:=LOCALHOST}"
  export AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH PATH ROS_AUTOMATIC_DISCOVERY_RANGE
fi

unset _er_self _er_root _er_out _er_rest _er_item _er_other _er_prefix _er_kind _er_version _er_ros _er_ament _er_libs _er_python
unset -f _er_join _er_users_ros
# The status of the source command is the last line's.
if [ -n "$_er_ok" ]; then unset _er_ok; else unset _er_ok; false; fi
