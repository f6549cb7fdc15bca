"""Packages the node finds at run time: the sourced ones, else built here with one message alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CMAKE = """cmake_minimum_required(VERSION 3.16)
project({package} C CXX)
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
find_package(std_msgs REQUIRED)
rosidl_generate_interfaces({package} msg/{message}.msg DEPENDENCIES std_msgs)
ament_package()
"""
PACKAGE = """<package format="3"><name>{package}</name><version>0.0.0</version>
<description>The one message of it that is needed here.</description>
<maintainer email="a@b.invalid">tests</maintainer><license>Apache-2.0</license>
<buildtool_depend>ament_cmake</buildtool_depend><buildtool_depend>rosidl_default_generators</buildtool_depend>
<depend>std_msgs</depend><member_of_group>rosidl_interface_packages</member_of_group>
<export><build_type>ament_cmake</build_type></export></package>
"""


def in_sourced_ros(package):
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(":")
    return any((Path(prefix) / "share" / package).is_dir() for prefix in prefixes if prefix)


def environment_with(package, message, definition, root):
    """What to set so that `package` is there, with this message; built in the folder `root`."""
    if in_sourced_ros(package):
        return {}
    if shutil.which("colcon") is None:
        pytest.skip(f"skipped: neither {package} nor colcon to build a part of it is here")
    source = root / package
    (source / "msg").mkdir(parents=True)
    (source / "CMakeLists.txt").write_text(CMAKE.format(package=package, message=message))
    (source / "package.xml").write_text(PACKAGE.format(package=package))
    (source / f"msg/{message}.msg").write_text(definition)
    python = f"-DPython3_EXECUTABLE={sys.executable}"
    command = ["colcon", "build", "--base-paths", ".", "--cmake-args", python]
    built = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    prefix = root / "install" / package
    modules = ":".join(str(path) for path in prefix.glob("lib/python3*/site-packages"))
    joined = lambda name, first: f"{first}:{os.environ.get(name, '')}"  # noqa: E731
    return {
        "AMENT_PREFIX_PATH": joined("AMENT_PREFIX_PATH", prefix),
        "LD_LIBRARY_PATH": joined("LD_LIBRARY_PATH", prefix / "lib"),
        "PYTHONPATH": joined("PYTHONPATH", modules),
    }
