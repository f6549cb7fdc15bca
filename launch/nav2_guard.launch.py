"""
The velocity gate behind Nav2: velocity smoother -> gate -> base.

    ros2 launch edge_reasoner nav2_guard.launch.py

Nav2 must no longer publish what the base listens to. With nav2_bringup of Jazzy the smoother says
cmd_vel_smoothed and the collision monitor makes cmd_vel of it: either leave the monitor out (the
defaults here), or let it say cmd_vel_monitored (its cmd_vel_out_topic) and start this file with
cmd_vel_in:=cmd_vel_monitored.
"""

import os
import sys

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

# The file beside this one.
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from edge_reasoner_arguments import params_file  # noqa: E402
from edge_reasoner_starting import require, until_refused  # noqa: E402


def generate_launch_description():
    share = get_package_share_directory('edge_reasoner')
    return LaunchDescription([
        DeclareLaunchArgument(
            'params_file', default_value=os.path.join(share, 'params', 'nav2_guard.yaml'),
            description='Parameters of the gate and the laser; copy the default and change the copy'),
        DeclareLaunchArgument(
            'cmd_vel_in', default_value='cmd_vel_smoothed', description='What Nav2 asks for'),
        DeclareLaunchArgument(
            'cmd_vel_out', default_value='cmd_vel',
            description='What the base listens to; nothing else may publish there'),
        DeclareLaunchArgument(
            'stamped', default_value='false', choices=['true', 'false'],
            description="TwistStamped, where Nav2 runs with enable_stamped_cmd_vel"),
        DeclareLaunchArgument('namespace', default_value='', description='That of Nav2'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false', choices=['true', 'false'],
            description='Take the time from /clock'),
        DeclareLaunchArgument(
            'manager', default_value='false', choices=['true', 'false'],
            description="Let a lifecycle manager of Nav2's own kind configure and activate the node"),
        DeclareLaunchArgument(
            'log_level', default_value='info', description='debug, info, warn, error or fatal'),
        OpaqueFunction(function=start_nodes),
    ])


def start_nodes(context):
    """Build the nodes from the values of the arguments, which are known only now."""
    def value(name):
        return LaunchConfiguration(name).perform(context)

    stamped = value('stamped') == 'true'
    managed = value('manager') == 'true'
    if managed:
        require('nav2_lifecycle_manager', 'lifecycle_manager',
                'leave out manager:=true and the node configures and activates itself')
    sim_time = {'use_sim_time': value('use_sim_time') == 'true'}
    guard = Node(
        package='edge_reasoner',
        executable='edge_reasoner',
        name='edge_reasoner',
        namespace=value('namespace'),
        arguments=['run'],
        ros_arguments=['--log-level', value('log_level')],
        parameters=[params_file(value('params_file')), sim_time, {
            'autostart': not managed,
            # The model shall know what is asked for, not what was let through.
            'cmd.topic': value('cmd_vel_in'),
            'cmd.type': 'geometry_msgs/msg/TwistStamped' if stamped else 'geometry_msgs/msg/Twist',
            'act.velocity_gate.enabled': True,
            'act.velocity_gate.in': value('cmd_vel_in'),
            'act.velocity_gate.out': value('cmd_vel_out'),
            'act.velocity_gate.stamped': stamped,
        }],
        # A gate that is gone lets nothing through; it must come back.
        respawn=True,
        respawn_delay=1.0,
        output='screen',
    )
    if not managed:
        return [until_refused(guard), guard]
    manager = Node(
        package='nav2_lifecycle_manager',
        executable='lifecycle_manager',
        name='lifecycle_manager_edge_reasoner',
        namespace=value('namespace'),
        parameters=[sim_time, {
            'autostart': True,
            'node_names': ['edge_reasoner'],
            'bond_timeout': 4.0,
        }],
        output='screen',
    )
    return [until_refused(guard, manager), guard, manager]
