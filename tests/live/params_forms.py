"""
Forms of params files and what rclpy makes of them, kept in tests/cases/params/forms.json.

    python tests/live/params_forms.py      # writes it anew, after a form was added here

tests/params_forms.rs compares our reader with what is written there, without ROS;
test_params_files.py asks rclpy again and compares all three.
"""

import json
import math
import os
import sys
import tempfile
from pathlib import Path

FORMS = Path(__file__).resolve().parents[1] / 'cases' / 'params' / 'forms.json'
KINDS = {
    'NOT_SET': 'not set', 'BOOL': 'bool', 'INTEGER': 'integer', 'DOUBLE': 'double', 'STRING': 'string',
    'BOOL_ARRAY': 'bool array', 'INTEGER_ARRAY': 'integer array', 'DOUBLE_ARRAY': 'double array',
    'STRING_ARRAY': 'string array',
}
PLAIN, ROBOT = '/edge_reasoner', '/robot1/edge_reasoner'


def section(name, *lines):
    return f'{name}:\n  ros__parameters:\n' + ''.join(f'    {line}\n' for line in lines)


def ours(*lines):
    return section('edge_reasoner', *lines)


def forms():
    """Each form: its name, the text of its file, the node, arguments behind the file."""
    def form(name, text, node=PLAIN, arguments=(), second=None):
        return {'name': name, 'text': text, 'second': second, 'node': node, 'arguments': list(arguments)}

    a = 'a: 1'
    # Which sections are for the node.
    names = ['/**', "'**'", '/*', '/*/*', '/**/edge_reasoner', '/*/edge_reasoner', '/robot1/**',
             '/robot1/*', 'robot1/edge_reasoner', '/robot1/edge_reasoner', '/edge_reasoner',
             'edge_reasoner', '/**/robot1/**', "'*'", "'**/edge_reasoner'", '/other/**', '/robot1/**/**']
    for node in (PLAIN, ROBOT):
        for name in names:
            yield form(f'section {name} for {node}', section(name, a), node)
    yield form('sections in order', section('edge_reasoner', a, 'b: 1') + section('/**', 'a: 2', 'c: 2'))
    yield form('sections in the other order',
               section('/**', 'a: 2', 'c: 2') + section('edge_reasoner', a, 'b: 1'))
    yield form('a section twice', section('/**', a, 'b: 1') + section('edge_reasoner', 'a: 2')
               + section('/**', 'a: 3'))
    yield form('namespace nested', '/robot1:\n  edge_reasoner:\n    ros__parameters:\n      a: 1\n'
               '  other:\n    ros__parameters:\n      a: 2\n', ROBOT)
    yield form('namespace nested, without a slash',
               'robot1:\n  edge_reasoner:\n    ros__parameters:\n      a: 1\n', ROBOT)
    yield form('namespaces three deep', '/fleet:\n  robot1:\n    edge_reasoner:\n      ros__parameters:\n'
               '        a: 1\n', '/fleet/robot1/edge_reasoner')
    yield form('a wildcard above the name', '/**:\n  edge_reasoner:\n    ros__parameters:\n      a: 1\n')
    yield form('wildcards nested', '/**:\n  "*":\n    ros__parameters:\n      a: 1\n', ROBOT)
    yield form('duplicate keys of others', 'costmap:\n  costmap:\n    ros__parameters:\n      a: 3\n'
               'costmap:\n  client:\n    ros__parameters:\n      a: 4\n' + ours(a))
    yield form('parameters and a node below one name',
               '/robot1:\n  edge_reasoner:\n    ros__parameters:\n      a: 1\n'
               + section('/robot1/edge_reasoner', 'b: 2'), ROBOT)
    yield form('all for others', section('other', a))
    yield form('a bad name', section('1robot', a))
    yield form('a name with a dash', section('edge-reasoner', a))
    yield form('two slashes', section('/robot1//edge_reasoner', a), ROBOT)
    yield form('a slash at the end', section('/robot1/edge_reasoner/', a), ROBOT)
    # Words.
    for word in ['yes', 'No', 'on', 'OFF', 'y', 'N', 'true', 'False', 'TRUE', 'yEs', '"yes"', "'true'",
                 '5', '-5', '+5', '0x1F', '010', '08', '0o17', '0b11', '1_000', '1,5', '9223372036854775807',
                 '9223372036854775808', '1.5', '.5', '5.', '1e3', '1E-3', '1e400', '5e-324', '0x1.8p1',
                 '.inf', '-.inf', '+.INF', 'inf', 'Infinity', '.nan', 'nan', '-.nan', '12:30', '2024-01-01',
                 '~', 'null', '', '""', "''", 'text', 'two words', '"5"', "'5.0'", '/scan', '!!str 5',
                 '!!int 5', '!!float 5', '! 5', '!!bool yes', '"a\\tb"', '"\\u00e9"', 'é', 'a # comment',
                 'a#b', '|\n      5', '|-\n      5', '>-\n      yes', '&anchor 5', '*anchor', '@at', '`tick',
                 '%percent', '-', '- 1', '?', ': ', '{}', '{b: 1}', '{b: {c: {d: 1.0}}}']:
        yield form(f'word {word!r}', ours(f'a: {word}', 'z: 1'))
    # Lists.
    for members in ['[]', '[1, 2]', '[1, 2.0]', '[1.0, 2.0]', '[yes, false]', '[a, b]', "['1', b]",
                    '[1, a]', '[[1, 2]]', '[[1], [2]]', '[a, [b]]', '[{b: 1}]', '["", a]', '[~]', '[,]',
                    '[a,]', '[.nan, 1.0]', '[0x10, 010]', '\n      - a\n      - b', '\n    - a\n    - b',
                    '\n      - 1\n      - x: 2']:
        yield form(f'list {members!r}', ours(f'a: {members}', 'z: 1'))
    # Maps and dots.
    yield form('a map', ours('scan:', '  yaw: 1.0', '  topic: /a', 'z: 1'))
    yield form('dots', ours('scan.yaw: 1.0'))
    yield form('dots, then the map', ours('scan.yaw: 1.0', 'scan:', '  yaw: 2.0'))
    yield form('the map, then dots', ours('scan:', '  yaw: 2.0', 'scan.yaw: 1.0'))
    yield form('the map twice', ours('scan:', '  yaw: 2.0', 'scan:', '  yaw: 1.0', '  topic: /a'))
    yield form('the map, then a value', ours('scan:', '  yaw: 2.0', 'scan: 1'))
    yield form('a value, then the map', ours('scan: 1', 'scan:', '  yaw: 2.0', '  topic: /a'))
    yield form('dots in a map', ours('x:', '  a.b:', '    c: 1', '  d: 2', 'z: 1'))
    yield form('an empty map', ours('x: {}'))
    yield form('deep', ours('a: ' + '{n: ' * 40 + '1' + '}' * 40))
    yield form('a list of a map, then the same again',
               ours('p:', '  x: 1', 'p:', '  x: [1, {a: 2}]'))
    # Keys.
    for key in ['1', 'true', '1.5', '~', '"a b"', 'a b', '"x\\0y"', '? a\n    ', '[a]', '{a: b}', '""',
                'é', 'ros__parameters']:
        yield form(f'key {key!r}', ours(f'{key}: 1', 'z: 1'))
    yield form('a key twice', ours('a: 1', 'a: 2'))
    yield form('a key twice, of two types', ours('a: 2.0', 'a: 1'))
    yield form('a key twice, text and number', ours('a: text', 'a: 1.0'))
    yield form('a key twice, list and one', ours('a: [x]', 'a: x'))
    # The file.
    yield form('empty', '')
    yield form('a comment', '# nothing\n')
    yield form('a word', '3\n')
    yield form('a list', '- a\n')
    yield form('no ros__parameters', 'edge_reasoner:\n  a: 1\n')
    yield form('ros__parameters at the top', 'ros__parameters:\n  a: 1\n')
    yield form('ros__parameters without anything', 'edge_reasoner:\n  ros__parameters:\n')
    yield form('ros__parameters is a word', 'edge_reasoner:\n  ros__parameters: 5\n')
    yield form('ros__parameters is an empty map', 'edge_reasoner:\n  ros__parameters: {}\n')
    yield form('ros__parametersX', 'edge_reasoner:\n  ros__parametersX:\n    a: 1\n')
    yield form('a section without anything', 'other:\n' + ours(a))
    yield form('two documents', ours(a) + '---\n' + ours('b: 2'))
    yield form('an end of document', '---\n' + ours(a) + '...\n')
    yield form('a directive', '%YAML 1.1\n---\n' + ours(a))
    yield form('CRLF', ours(a, 'b: text', 'c: "x"').replace('\n', '\r\n'))
    yield form('a BOM', '\ufeff' + ours(a))
    yield form('a tab as indentation', 'edge_reasoner:\n\tros__parameters:\n\t\ta: 1\n')
    yield form('a tab behind a colon', ours('a:\t1'))
    yield form('a tab behind a value', ours('a: 1\t'))
    yield form('a control character', ours('a: x\x07'))
    yield form('comments', '# top\nedge_reasoner: # name\n  ros__parameters: # key\n    # a\n    a: 1 # one\n')
    yield form('flow', '{edge_reasoner: {ros__parameters: {a: 1, b: [x, y], c: {d: yes}}}}\n')
    yield form('flow without spaces', '{"edge_reasoner":{"ros__parameters":{"a":1,"b":[1.5]}}}')
    yield form('bad indentation', 'edge_reasoner:\n  ros__parameters:\n    a: 1\n   b: 2\n')
    yield form('an open list', ours('a: [1, 2'))
    yield form('an open quote', ours('a: "x'))
    yield form('block text at the very end', ours('a: |', '  5').rstrip('\n'))
    yield form('folded text at the very end', ours('a: >+', '  yes').rstrip('\n'))
    yield form('a tag in front of a comma', ours('a: [!x,b]'))
    yield form('an alias of a map', 'x: &x\n  ros__parameters:\n    a: 1\nedge_reasoner: *x\n')
    yield form('a merge key', ours('<<: {a: 1}'))
    # Several files and -p.
    yield form('-p over a file', ours(a), arguments=['-p', 'a:=2'])
    yield form('-p and a section of the name', section('/**', a) + ours('b: 1'),
               arguments=['-p', 'b:=2', '-p', 'a:=3'])
    yield form('-p of another type', section('/**', 'a: 20'), arguments=['-p', 'a:=5.0'])
    yield form('-p of a node', ours(a), arguments=['-p', 'edge_reasoner:a:=2', '-p', 'other:a:=3'])
    yield form('-p of a map', section('/**', 'scan:', '  yaw: 1.0'), arguments=['-p', 'scan.yaw:=2.0'])
    for value in ['[a, b]', '[]', 'yes', '""', "''", '{a: 1}', '1: 2', '', '[1', 'a b']:
        yield form(f'-p {value!r}', '', arguments=['-p', f'a:={value}'])
    yield form('two files', ours(a, 'b: 1'), second=ours('a: 2', 'c: 2'))
    yield form('two files, any and the name', section('/**', a), second=ours('a: 2'))
    yield form('two files, the name and any', ours(a), second=section('/**', 'a: 2'))
    yield form('two files, any, the name and any', section('/**', a) + ours('a: 2'),
               second=section('/**', 'a: 3'))
    yield form('two files, one map', ours('scan: {yaw: 1}'), second=ours('scan: {yaw: 2.0}'),
               arguments=['-p', 'edge_reasoner:scan.yaw:=3.0'])


def asked(form, folder):
    """The arguments of ROS for a form, after its files were written."""
    arguments = []
    for number, text in enumerate((form['text'], form['second'])):
        if text is not None:
            file = Path(folder) / f'form{number}.yaml'
            file.write_bytes(text.encode())
            arguments += ['--params-file', str(file)]
    return arguments + form['arguments']


def as_json(value):
    if isinstance(value, float) and not math.isfinite(value):
        return '.nan' if math.isnan(value) else '.inf' if value > 0 else '-.inf'
    return [as_json(one) for one in value] if isinstance(value, (list, tuple)) else value


def by_rclpy(form, folder):
    """What an rclpy node of that name has: {name: {type, value}}, None where ROS refuses."""
    import rclpy
    from rclpy.context import Context
    from rclpy.node import Node

    namespace, _, name = form['node'].rpartition('/')
    context = Context()
    try:
        rclpy.init(args=['--ros-args', *asked(form, folder)], context=context)
    except Exception:
        return None
    try:
        try:
            node = Node(name, namespace=namespace or '/', context=context, enable_rosout=False,
                        start_parameter_services=False,
                        automatically_declare_parameters_from_overrides=True)
        except ValueError:
            # It declares no parameter without a value; its overrides have it all the same.
            node = Node(name, namespace=namespace or '/', context=context, enable_rosout=False,
                        start_parameter_services=False)
            parameters = dict(node._parameter_overrides)
        else:
            own = ('use_sim_time', 'start_type_description_service')
            parameters = {k: p for k, p in node._parameters.items()
                          if k not in own or k in node._parameter_overrides}
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
    return {k: {'type': KINDS[p.type_.name], 'value': as_json(p.value)} for k, p in parameters.items()}


def main():
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    with tempfile.TemporaryDirectory() as folder:
        table = [dict(form, rclpy=by_rclpy(form, folder)) for form in forms()]
    FORMS.write_text('[\n' + ',\n'.join(json.dumps(row, ensure_ascii=True) for row in table) + '\n]\n')
    refused = sum(row['rclpy'] is None for row in table)
    print(f'{len(table)} forms, {refused} of them refused: {FORMS}', file=sys.stderr)


if __name__ == '__main__':
    main()
