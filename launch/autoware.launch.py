"""
Beside Autoware: decisions from the concatenated point cloud and the localization's odometry.

    ros2 launch edge_reasoner autoware.launch.py model:=/path/to/your/bundle

A slice of the cloud becomes a LaserScan (pointcloud_to_laserscan), which the node reads. There is no
gate here: Autoware's commands are no Twist. What the vehicle's fail-safe can act on is /diagnostics
and the attention topic (see docs/integration.md).
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
from edge_reasoner_arguments import model, params_file  # noqa: E402
from edge_reasoner_starting import require, until_refused  # noqa: E402


def generate_launch_description():
    share = get_package_share_directory('edge_reasoner')
    return LaunchDescription([
        DeclareLaunchArgument(
            'model',
            description='Bundle trained on your vehicle: those that ship, which have names, know small '
                        'robots indoors'),
        DeclareLaunchArgument(
            'params_file', default_value=os.path.join(share, 'params', 'autoware.yaml'),
            description='Parameters of the node; copy the default and change the copy'),
        DeclareLaunchArgument(
            'cloud', default_value='/sensing/lidar/concatenated/pointcloud',
            description='The cloud that becomes the scan; none: something else publishes the scan'),
        DeclareLaunchArgument('frame', default_value='base_link', description='Frame of the scan'),
        DeclareLaunchArgument(
            'min_height', default_value='0.3', description='Lower edge of the slice, m above frame'),
        DeclareLaunchArgument(
            'max_height', default_value='1.8', description='Upper edge of the slice'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false', choices=['true', 'false'],
            description='Take the time from /clock'),
        OpaqueFunction(function=start_nodes),
    ])


def start_nodes(context):
    """Build the nodes from the values of the arguments, which are known only now."""
    def value(name):
        return LaunchConfiguration(name).perform(context)

    sim_time = {'use_sim_time': value('use_sim_time') == 'true'}
    sliced = value('cloud') != 'none'
    if sliced:
        require('pointcloud_to_laserscan', 'pointcloud_to_laserscan_node',
                'say cloud:=none and publish the scan yourself')
    nodes = [Node(
        package='edge_reasoner',
        executable='edge_reasoner',
        name='edge_reasoner',
        arguments=['run'],
        parameters=[params_file(value('params_file')), sim_time, {'model': model(value('model'))}],
        respawn=True,
        respawn_delay=1.0,
        output='screen',
    )]
    if sliced:
        nodes.append(Node(
            package='pointcloud_to_laserscan',
            executable='pointcloud_to_laserscan_node',
            name='edge_reasoner_scan',
            remappings=[('cloud_in', value('cloud')), ('scan', 'edge_reasoner/scan')],
            parameters=[sim_time, {
                'target_frame': value('frame'),
                'min_height': float(value('min_height')),
                'max_height': float(value('max_height')),
                'angle_increment': 0.0087,
                'range_min': 0.5,
                'range_max': 60.0,
                'use_inf': True,
            }],
            output='screen',
        ))
    return [until_refused(*nodes), *nodes]
