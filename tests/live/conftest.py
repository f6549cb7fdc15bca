"""Live tests: the installed node over real DDS, with an rclpy client."""

import os

import pytest

# Nothing of a test belongs on the network, and no two tests shall hear each other.
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

try:
    import rclpy
except ImportError as cause:
    # Not a skip: a broken environment would pass for a green run.
    raise pytest.UsageError(f"{cause}; the live tests need rclpy: source scripts/env.sh") from cause


@pytest.fixture
def robot(request):
    from robot import Robot

    # A domain per test: what the test before left behind in DDS is not heard.
    tests = sorted(item.nodeid for item in request.session.items)
    base = int(os.environ.get("ROS_DOMAIN_ID", "1"))
    os.environ["ROS_DOMAIN_ID"] = str((base + tests.index(request.node.nodeid)) % 100 + 1)
    rclpy.init()
    robot = Robot()
    yield robot
    robot.node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def start():
    """Starts nodes and leaves none behind."""
    from robot import Node

    nodes = []

    def start(*parameters, **options):
        nodes.append(Node(*parameters, **options))
        return nodes[-1]

    yield start
    for node in nodes:
        if node.process.poll() is None:
            node.process.kill()
        node.process.wait()
