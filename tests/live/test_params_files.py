"""Params files, with rclpy as the oracle: the same file, the same values, in both doors."""

import json
import signal
import subprocess
import sys
import time

import pytest
from params_forms import FORMS, asked, by_rclpy
from robot import NODE, ROOT
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient

sys.path.insert(0, str(ROOT / 'launch'))
import edge_reasoner_arguments  # noqa: E402

CASES = ROOT / 'tests/cases/params'


def by_us(form, folder):
    """What our reader says: {name: {type, value}}, None where it refuses."""
    arguments = ['--params' if one == '--params-file' else one for one in asked(form, folder)]
    told = subprocess.run([NODE, 'parameters', '--json', '--node', form['node'], *arguments],
                          capture_output=True, text=True, timeout=20)
    assert told.returncode in (0, 1), told.stderr
    return json.loads(told.stdout)['parameters'] if told.returncode == 0 else None


def test_every_form_is_read_as_rclpy_reads_it_today(tmp_path):
    forms = json.loads(FORMS.read_text())
    assert len(forms) >= 30
    wrong = []
    for form in forms:
        theirs, ours = by_rclpy(form, tmp_path), by_us(form, tmp_path)
        if not theirs == ours == form['rclpy']:
            wrong.append((form['name'], 'rclpy', theirs, 'here', ours, 'recorded', form['rclpy']))
    assert not wrong, '\n'.join(map(str, wrong))


@pytest.mark.parametrize('file, namespace', [
    ('any_ns_exact_node', '/robot1'), ('any_ns_nested', '/robot1'), ('duplicate_top_other', ''),
    ('nested_namespace', '/robot1'), ('star_ns_node', '/robot1'), ('yes_no', ''),
])
def test_the_live_node_has_them_in_force(robot, start, file, namespace):
    remappings = [f'__ns:={namespace}'] if namespace else []
    node = start(params_file=CASES / f'{file}.yaml', remappings=remappings)
    services = AsyncParameterClient(robot.node, f'{namespace}/edge_reasoner')
    assert robot.spin_until(services.services_are_ready, 15.0), node.output()
    future = services.get_parameters(['deadline_ms', 'odom.required'])
    assert robot.spin_until(future.done, 5.0)
    values = [parameter_value_to_python(value) for value in future.result().values]
    _, text, _ = node.end()
    assert values == [33.0, False], text
    assert 'default' not in text and 'no section' not in text, text


def test_a_file_for_others_is_named_and_no_more_is_claimed(robot, start):
    node = start(params_file=CASES / 'nested_namespace.yaml')
    node.wait_ready(robot)
    _, text, _ = node.end()
    assert 'no section is for this node, /edge_reasoner' in text, text
    assert '/robot1/edge_reasoner, /robot1/other_node' in text and 'default' not in text, text


@pytest.mark.parametrize('arguments, words', [
    (['--paramsfile', 'a.yaml'], 'did you mean --params-file?'),
    (['--params-file'], 'the path of a params file'),
    (['--params-file=a.yaml'], '--params-file a.yaml'),
    (['--params-file', '/nowhere.yaml'], '/nowhere.yaml'),
    (['-p', 'deadline_ms=5.0'], 'name:=value'),
    (['deadline_ms:=5.0'], '-p deadline_ms:=5.0'),
    (['-r', 'scan'], 'scan'),
    (['--log-level', 'loud'], 'loud'),
])
def test_what_ros_would_leave_aside_is_refused(arguments, words):
    ended = subprocess.run([NODE, 'run', '--ros-args', *arguments], timeout=20, cwd=ROOT, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert ended.returncode not in (0, -signal.SIGABRT) and words in ended.stdout, ended.stdout


def test_what_the_node_says_of_itself_starts_it_elsewhere(robot, start, tmp_path):
    """`ros2 param dump` after a start by a relative path, loaded from another directory."""
    node = start('model:=models/clearance')
    node.wait_ready(robot)
    services = AsyncParameterClient(robot.node, '/edge_reasoner')
    assert robot.spin_until(services.services_are_ready, 10.0)
    future = services.get_parameters(['model'])
    assert robot.spin_until(future.done, 5.0)
    model = future.result().values[0].string_value
    node.end()
    assert model == str(ROOT / 'models/clearance')
    dumped = tmp_path / 'dumped.yaml'
    dumped.write_text(json.dumps({'/edge_reasoner': {'ros__parameters': {'model': model}}}))
    elsewhere = subprocess.Popen([NODE, 'run', '--ros-args', '--params-file', dumped], cwd=tmp_path,
                                 text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert robot.spin_until(lambda: robot.node.count_publishers('/edge_reasoner/decision') > 0, 15.0)
        time.sleep(0.2)
    finally:
        elsewhere.send_signal(signal.SIGINT)
        text, _ = elsewhere.communicate(timeout=10)
    assert elsewhere.returncode == 0 and 'clearance-' in text, text


def test_the_launch_files_know_names_from_paths(tmp_path, monkeypatch):
    model, params_file = edge_reasoner_arguments.model, edge_reasoner_arguments.params_file
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/model.yaml').touch()
    (tmp_path / 'robot.yaml').touch()
    assert model('clearance') == 'clearance'
    for value in ('mine', './mine', 'mine/', '~/mine', str(tmp_path / 'mine')):
        assert model(value) == str(tmp_path / 'mine')
    assert model('not/there') == str(tmp_path / 'not/there')
    for value in ('robot.yaml', '~/robot.yaml', './robot.yaml'):
        assert params_file(value) == str(tmp_path / 'robot.yaml')
    for value in ('robt.yaml', '~/robt.yaml', 'mine', ''):
        with pytest.raises(RuntimeError, match='nothing was started'):
            params_file(value)


def test_every_launch_file_takes_both_through_there():
    for file in sorted((ROOT / 'launch').glob('*.launch.py')):
        text = file.read_text()
        compile(text, str(file), 'exec')
        if "'params_file'" in text:
            assert "params_file(value('params_file'))" in text, file
        if "'model', " in text or "'model'," in text:
            assert "model(value('model'))" in text, file
    for kind in ('xml', 'yaml'):
        assert 'edge_reasoner.launch.py' in (ROOT / f'launch/edge_reasoner.launch.{kind}').read_text()
