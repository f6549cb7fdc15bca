"""What RViz and Foxglove are shown."""

import json
import math
from pathlib import Path

import yaml
from visualization_msgs.msg import Marker, MarkerArray

VIEW = Path(__file__).resolve().parents[2] / "launch" / "view"
TOPIC = "/edge_reasoner/markers"


def watch(robot):
    seen = []
    robot.node.create_subscription(MarkerArray, TOPIC, seen.append, 10)
    return seen


def wall_ahead(beams=360):
    """Something wide 0.3 m ahead, all else 3 m away."""
    ranges = [3.0] * beams
    for beam in range(-30, 31):
        ranges[beam % beams] = 0.3
    return ranges


def test_a_decision_is_shown_with_the_sectors_it_rests_on(robot, start):
    node = start("deadline_ms:=50.0", "act.markers.enabled:=true")
    seen = watch(robot)
    node.wait_ready(robot)
    robot.drive(30, ranges=wall_ahead())
    # Twice a second; the three seconds begin anywhere.
    assert 4 <= len(seen) <= 9, len(seen)
    text, sectors = seen[-1].markers
    answered = {(d.header.stamp.sec, d.header.stamp.nanosec): d for d in robot.decisions}
    decision = answered[text.header.stamp.sec, text.header.stamp.nanosec]
    assert decision.source == "MODEL" and decision.label == "stop", decision
    assert text.type == Marker.TEXT_VIEW_FACING and text.action == Marker.ADD
    assert text.text.startswith(f"stop {decision.confidence:.2f}"), text.text
    assert f"exit {decision.exit} of {decision.exits}" in text.text
    assert text.header.frame_id == sectors.header.frame_id == "base_scan"
    assert text.pose.orientation.w == 1.0 and 1 <= text.lifetime.sec <= 5
    assert sectors.type == Marker.TRIANGLE_LIST and sectors.id != text.id
    assert len(sectors.points) == len(sectors.colors) and len(sectors.points) % 3 == 0
    # The corners of the heaviest sector, which is the reddest: it is ahead, where the wall is.
    heaviest = max(range(0, len(sectors.points), 3), key=lambda at: sectors.colors[at].r)
    corner, other = sectors.points[heaviest + 1], sectors.points[heaviest + 2]
    ahead = math.atan2(corner.y + other.y, corner.x + other.x)
    assert abs(ahead) < math.radians(45), ahead
    assert math.isclose(math.hypot(corner.x, corner.y), 0.3, abs_tol=0.01)
    assert sectors.colors[heaviest].r > 0.9


def test_a_fallback_is_shown_as_one_and_rests_on_nothing(robot, start):
    node = start("deadline_ms:=50.0", "act.markers.enabled:=true", "odom.required:=true")
    seen = watch(robot)
    node.wait_ready(robot)
    for _ in range(15):
        robot.scan()
        robot.spin(0.1)
    text, sectors = seen[-1].markers
    assert "fallback" in text.text and "INPUT" in text.text, text.text
    assert all(colour.r < 0.5 for colour in sectors.colors)


def test_the_layouts_show_what_the_node_publishes():
    rviz = yaml.safe_load((VIEW / "edge_reasoner.rviz").read_text())
    displays = rviz["Visualization Manager"]["Displays"]
    topics = {display["Topic"]["Value"] for display in displays if "Topic" in display}
    assert topics >= {TOPIC, "/scan"}
    foxglove = json.loads((VIEW / "foxglove.json").read_text())
    assert TOPIC in foxglove["configById"]["3D!edge_reasoner"]["topics"]
    panels = json.dumps(foxglove["layout"])
    assert all(panel in panels for panel in foxglove["configById"])
