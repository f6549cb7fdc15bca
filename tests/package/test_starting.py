"""What the launch files share, as far as it can be tried without `launch`, which the embedded ROS has not:
its actions are stand-ins that keep what they were made of. tests/live/test_launch.py runs the real ones."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip("ament_index_python", reason="the launch files look for packages with it: source a ROS 2")
ROOT = Path(__file__).resolve().parents[2]
NAMES = {
    "launch": [],
    "launch.actions": ["EmitEvent", "LogInfo", "RegisterEventHandler"],
    "launch.event_handlers": ["OnProcessExit"],
    "launch.events": [],
    "launch.events.process": ["ShutdownProcess"],
}


@pytest.fixture
def starting(monkeypatch):
    for module, names in NAMES.items():
        made = ModuleType(module)
        for name in names:
            setattr(made, name, lambda *args, kind=name, **named: SimpleNamespace(kind=kind, args=args, **named))
        monkeypatch.setitem(sys.modules, module, made)
    sys.modules["launch.events"].matches_action = lambda action: action
    spec = importlib.util.spec_from_file_location("starting", ROOT / "launch/edge_reasoner_starting.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("codes", "given_up_at"),
    [([78] * 4, [2, 3]), ([78, 78, 1, 78, 78, 78], [5]), ([-9, 1, 134, 1, 1], []), ([0, 78, 0, 78, 78], [])],
)
def test_only_three_refusals_in_a_row_end_the_respawning(starting, codes, given_up_at):
    handler = starting.until_refused("node", "manager").args[0]
    assert handler.target_action == "node"
    answers = [handler.on_exit(SimpleNamespace(returncode=code), None) for code in codes]
    assert [index for index, answer in enumerate(answers) if answer] == given_up_at
    for index in given_up_at:
        words, *ended = answers[index]
        assert words.kind == "LogInfo" and "not started again" in words.msg
        assert [one.event.process_matcher for one in ended] == ["node", "manager"]


def test_the_code_is_the_one_the_node_ends_with(starting):
    assert f"ExitCode::from({starting.REFUSED})" in (ROOT / "src/ros/error.rs").read_text()


def test_a_missing_package_is_said_with_what_to_do(starting, tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}:{os.environ['AMENT_PREFIX_PATH']}")
    with pytest.raises(RuntimeError) as refused:
        starting.require("made_up_package", "program", "leave out made_up:=true")
    assert "install ros-jazzy-made-up-package, or leave out made_up:=true" in str(refused.value)
    index = tmp_path / "share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    (index / "made_up_package").touch()
    with pytest.raises(RuntimeError, match="has no executable program"):
        starting.require("made_up_package", "program", "leave out made_up:=true")
    program = tmp_path / "lib/made_up_package/program"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    starting.require("made_up_package", "program", "leave out made_up:=true")
