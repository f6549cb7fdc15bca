"""The launch files under the real `ros2 launch`, where it is installed."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which('ros2') is None,
    reason='`ros2 launch` is not installed here (.ros/ has none): the launch files were not run')

ROOT = Path(__file__).resolve().parents[2]
PLAIN = 'deadline 20 ms'


class Launch:
    """`ros2 launch edge_reasoner ...`, with what it prints in a file."""

    def __init__(self, arguments, log, **environment):
        self.log = log
        with log.open('w') as out:
            self.process = subprocess.Popen(
                ['ros2', 'launch', 'edge_reasoner', *arguments], stdout=out, stderr=subprocess.STDOUT,
                # A shell in the background passes on that SIGINT is ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
                env=dict(os.environ, RCUTILS_COLORIZED_OUTPUT='0', **environment))

    def words(self):
        return self.log.read_text()

    def wait_for(self, word):
        end = time.monotonic() + 60
        while word not in self.words() and time.monotonic() < end:
            assert self.process.poll() is None, self.words()
            time.sleep(0.1)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


@pytest.fixture
def launch(tmp_path):
    started = []

    def launch(*arguments, **environment):
        started.append(Launch(arguments, tmp_path / 'log', **environment))
        return started[-1]

    yield launch
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGINT)
            try:
                one.process.wait(15)
            except subprocess.TimeoutExpired:
                one.process.kill()


@pytest.fixture
def stand_in(tmp_path):
    """Environment in which a package's executable is a script of ours; each start is a line in `starts`."""
    index = Path('share/ament_index/resource_index/packages')

    def make(package, executable, script):
        prefix = tmp_path / package
        program = prefix / 'lib' / package / executable
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\necho {package} >> {tmp_path}/starts\n{script}\n')
        program.chmod(0o755)
        (prefix / index).mkdir(parents=True)
        (prefix / index / package).touch()
        share = prefix / 'share' / package
        share.mkdir(parents=True)
        if package == 'edge_reasoner':
            for folder in ('launch', 'params', 'models'):
                shutil.copytree(ROOT / folder, share / folder)
        known = os.environ['AMENT_PREFIX_PATH']
        os.environ['AMENT_PREFIX_PATH'] = f'{prefix}:{known}'

    before = os.environ['AMENT_PREFIX_PATH']
    make.starts = lambda: (tmp_path / 'starts').read_text().split() if (tmp_path / 'starts').exists() else []
    yield make
    os.environ['AMENT_PREFIX_PATH'] = before


@pytest.mark.parametrize('arguments, expected', [
    (['edge_reasoner.launch.py'], [PLAIN, 'scan: /scan (']),
    (['edge_reasoner.launch.py', 'namespace:=r1', 'model:=models/clearance'],
     ['[r1.edge_reasoner]', 'clearance-', 'scan: /r1/scan (', 'cmd: /r1/cmd_vel (']),
    (['edge_reasoner.launch.xml', 'namespace:=r1'], ['[r1.edge_reasoner]', PLAIN, 'odom: /r1/odom (']),
    (['edge_reasoner.launch.yaml'], [PLAIN]),
    (['nav2_guard.launch.py', 'namespace:=r1', 'stamped:=true'],
     ['[r1.edge_reasoner]', 'velocity gate: /r1/cmd_vel_smoothed → /r1/cmd_vel', 'TwistStamped']),
    (['autoware.launch.py', 'model:=models/clearance', 'cloud:=none'],
     ['/localization/kinematic_state', 'deadline 50 ms']),
])
def test_it_starts_as_told_and_ends_by_ctrl_c(arguments, expected, launch):
    started = launch(*arguments)
    started.wait_for('ready after')
    started.interrupt()
    words = started.words()
    for word in [*expected, 'activated: ', 'ended: ', 'process has finished cleanly']:
        assert word in words, words
    assert 'no section is for this node' not in words, words


@pytest.mark.parametrize('arguments, package, otherwise', [
    (['nav2_guard.launch.py', 'manager:=true'], 'nav2_lifecycle_manager', 'leave out manager:=true'),
    (['autoware.launch.py', 'model:=models/clearance'], 'pointcloud_to_laserscan', 'say cloud:=none'),
])
def test_nothing_starts_where_an_optional_package_is_missing(arguments, package, otherwise, launch, stand_in):
    if (shutil.which('ros2') and subprocess.run(['ros2', 'pkg', 'prefix', package], capture_output=True).returncode == 0):
        pytest.skip(f'skipped: {package} is installed here')
    stand_in('edge_reasoner', 'edge_reasoner', 'sleep 60')
    refused = launch(*arguments)
    refused.process.wait(30)
    words = refused.words()
    assert stand_in.starts() == [], 'an orphan'
    assert f'the package {package} is not installed, so nothing was started: install ros-' in words, words
    assert otherwise in words, words


@pytest.mark.parametrize('file, arguments', [
    ('edge_reasoner.launch.py', ['respawn:=true']),
    ('edge_reasoner.launch.xml', ['respawn:=true']),
    ('nav2_guard.launch.py', []),
    ('autoware.launch.py', ['model:=models/clearance', 'cloud:=none']),
])
def test_what_is_refused_is_tried_three_times(file, arguments, launch, stand_in):
    stand_in('edge_reasoner', 'edge_reasoner', 'echo the reason; exit 78')
    refused = launch(file, *arguments)
    refused.process.wait(30)
    words = refused.words()
    assert stand_in.starts() == ['edge_reasoner'] * 3
    assert words.count('the reason\n') == 3 and 'is not started again' in words, words


def test_a_manager_ends_with_the_node_that_is_refused(launch, stand_in):
    stand_in('edge_reasoner', 'edge_reasoner', 'exit 78')
    stand_in('nav2_lifecycle_manager', 'lifecycle_manager', 'exec sleep 60')
    refused = launch('nav2_guard.launch.py', 'manager:=true')
    refused.process.wait(30)
    assert sorted(stand_in.starts()) == ['edge_reasoner'] * 3 + ['nav2_lifecycle_manager']
    assert 'is not started again' in refused.words(), refused.words()


def test_a_node_that_crashes_comes_back_as_often_as_it_does(launch, stand_in, tmp_path):
    # Refused twice, then a crash: the count begins anew.
    script = f'case $(wc -l < {tmp_path}/starts) in 3|5) exit 1;; *) exit 78;; esac'
    stand_in('edge_reasoner', 'edge_reasoner', script)
    refused = launch('nav2_guard.launch.py')
    refused.process.wait(60)
    assert stand_in.starts() == ['edge_reasoner'] * 8, refused.words()


def test_a_fault_in_a_params_file_is_said_and_ends_the_launch(launch, tmp_path):
    params = tmp_path / 'wrong.yaml'
    params.write_text('/**:\n  ros__parameters:\n    deadline_ms: fast\n')
    refused = launch('nav2_guard.launch.py', f'params_file:={params}')
    refused.process.wait(60)
    words = refused.words()
    assert words.count('process has died') == 3 and 'exit code 78' in words, words
    assert 'deadline_ms' in words and 'is not started again' in words, words


def test_the_xml_and_the_yaml_file_show_the_arguments():
    for file in ('edge_reasoner.launch.xml', 'edge_reasoner.launch.yaml', 'edge_reasoner.launch.py'):
        shown = subprocess.run(['ros2', 'launch', 'edge_reasoner', file, '-s'], capture_output=True, text=True)
        for argument in ('params_file', 'model', 'namespace', 'log_level', 'use_sim_time', 'respawn'):
            assert f"'{argument}':" in shown.stdout, (file, shown.stdout + shown.stderr)


def test_a_run_without_a_verb_runs():
    run = subprocess.run(
        ['ros2', 'run', 'edge_reasoner', 'edge_reasoner', '--ros-args', '-p', 'deadline_ms:=fast'],
        capture_output=True, text=True, timeout=60, cwd=ROOT)
    words = run.stdout + run.stderr
    assert 'deadline_ms is "fast"' in words, words
