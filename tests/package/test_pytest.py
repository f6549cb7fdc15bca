"""The tests run beside a ROS 2 whose pytest plugins are older than pytest."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(site, *arguments):
    environment = dict(os.environ, PYTHONPATH=f"{site}:{os.environ.get('PYTHONPATH', '')}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_plugins_of_an_older_pytest_do_not_end_the_tests(tmp_path):
    # As launch_testing and launch_testing_ros of Jazzy: a hook with an argument that pytest 9 no longer
    # has, and one that nobody specifies unless the first plugin is there.
    site = tmp_path / "site"
    hooks = {
        "launch_testing": "def pytest_pycollect_makemodule(path, parent):\n    return None\n",
        "launch_ros": "def pytest_launch_collect_makemodule(path, parent, entrypoint):\n    return None\n",
    }
    for name, text in hooks.items():
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[pytest11]\n{name} = made_{name}_hooks\n")
        (site / f"made_{name}_hooks.py").write_text(text)
    ours = run(site, "tests/package", "--collect-only")
    assert ours.returncode == 0, ours.stdout + ours.stderr
    # The plugins are what they are taken for: without pytest.ini they end it.
    others = run(site, "-c", os.devnull, "--rootdir", str(ROOT), "tests/package", "--collect-only")
    assert others.returncode != 0, others.stdout
    assert "pytest_pycollect_makemodule" in others.stdout + others.stderr
