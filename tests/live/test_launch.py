"""The launch files under the real `ros2 launch`, where it is installed."""

import os
import shutil
import signal
import subprocess
import time

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which('ros2') is None,
    reason='`ros2 launch` is not installed here (.ros/ has none): the launch files were not run')

PLAIN = 'deadline 20ms'


@pytest.mark.parametrize('arguments, expected', [
    (['edge_reasoner.launch.py'], [PLAIN]),
    (['edge_reasoner.launch.py', 'namespace:=r1', 'model:=models/clearance'],
     ['[r1.edge_reasoner]', 'clearance-']),
    (['edge_reasoner.launch.xml', 'namespace:=r1'], ['[r1.edge_reasoner]', PLAIN]),
    (['edge_reasoner.launch.yaml'], [PLAIN]),
    (['nav2_guard.launch.py', 'namespace:=r1', 'stamped:=true'],
     ['[r1.edge_reasoner]', 'velocity gate: cmd_vel_smoothed → cmd_vel', 'TwistStamped']),
    (['autoware.launch.py', 'model:=models/clearance', 'cloud:=none'],
     ['/localization/kinematic_state', 'deadline 50ms']),
])
def test_it_starts_as_told_and_ends_by_ctrl_c(arguments, expected, tmp_path):
    log = tmp_path / 'log'
    with log.open('w') as out:
        launch = subprocess.Popen(
            ['ros2', 'launch', 'edge_reasoner', *arguments], stdout=out, stderr=subprocess.STDOUT,
            # A shell in the background passes on that SIGINT is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            env=dict(os.environ, RCUTILS_COLORIZED_OUTPUT='0'))
        try:
            end = time.monotonic() + 60
            while 'ready after' not in log.read_text() and time.monotonic() < end:
                assert launch.poll() is None, log.read_text()
                time.sleep(0.1)
            launch.send_signal(signal.SIGINT)
            launch.wait(30)
        finally:
            launch.kill()
    words = log.read_text()
    for word in [*expected, 'ended: ', 'process has finished cleanly']:
        assert word in words, words
    assert 'no section is for this node' not in words, words
