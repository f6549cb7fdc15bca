"""Starts the node: ros2 launch edge_reasoner edge_reasoner.launch.py [params_file:=...] [model:=...]."""

import os
import sys

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

# The file beside this one.
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from edge_reasoner_arguments import model, params_file  # noqa: E402
from edge_reasoner_starting import until_refused  # noqa: E402


def generate_launch_description():
    share = get_package_share_directory('edge_reasoner')
    return LaunchDescription([
        DeclareLaunchArgument(
            'params_file', default_value=os.path.join(share, 'params', 'clearance.yaml'),
            description='ROS 2 parameter file of the node'),
        DeclareLaunchArgument(
            'model', default_value='',
            description='Model bundle: a directory, or the name of one that ships; empty: as the parameter '
                        'file says, else clearance'),
        DeclareLaunchArgument(
            'namespace', default_value='',
            description='Namespace of the node and of topics with relative names, as the shipped '
                        'params files have them (/scan stays /scan)'),
        DeclareLaunchArgument(
            'log_level', default_value='info', description='debug, info, warn, error or fatal'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='', choices=['', 'true', 'false'],
            description='Take the time from /clock; empty: as the parameter file says'),
        DeclareLaunchArgument(
            'respawn', default_value='false', choices=['true', 'false'],
            description='Start the node again when it ends, unless what it is started with is refused'),
        OpaqueFunction(function=start_node, args=[share]),
    ])


def start_node(context, share):
    """Build the node from the values of the arguments, which are known only now."""
    def value(name):
        return LaunchConfiguration(name).perform(context)

    # A later entry overrides an earlier one: the parameter file stands above our default model and
    # below what was said on the command line.
    parameters = [params_file(value('params_file'))]
    if value('model'):
        parameters.append({'model': model(value('model'))})
    else:
        parameters.insert(0, {'model': os.path.join(share, 'models', 'clearance')})
    if value('use_sim_time'):
        parameters.append({'use_sim_time': value('use_sim_time') == 'true'})

    node = Node(
        package='edge_reasoner',
        executable='edge_reasoner',
        name='edge_reasoner',
        namespace=value('namespace'),
        arguments=['run'],
        ros_arguments=['--log-level', value('log_level')],
        parameters=parameters,
        respawn=value('respawn') == 'true',
        respawn_delay=1.0,
        output='screen',
        emulate_tty=True,
    )
    return [until_refused(node), node]
