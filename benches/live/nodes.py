"""What the live benches start, and what they share."""

import argparse
import os
import signal
import sys
from pathlib import Path

LIVE = Path(__file__).resolve().parent
ROOT = LIVE.parents[1]
# The demo's room, and its way with processes.
sys.path.append(str(ROOT / "demo"))

from processes import Trouble  # noqa: E402
from run import installed_node  # noqa: E402

MODEL = ROOT / "models" / "clearance"
OUT = ROOT / "target" / "bench"
PEER_PYTHON = OUT / "rclpy_ort" / "bin" / "python"


def parser(doc: str) -> argparse.ArgumentParser:
    """Of a bench that runs our node; its doc says what it does."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME:=VALUE",
                      help="a parameter of our node, may be repeated")  # fmt: skip
    made.add_argument("--out", type=Path, default=OUT, help="folder (target/bench)")
    return made


def node() -> Path:
    """The node under test: what colcon installed, or EDGE_REASONER_NODE."""
    return Path(os.environ["EDGE_REASONER_NODE"]) if "EDGE_REASONER_NODE" in os.environ else installed_node()


def edge_reasoner(topics: str, parameters: list[str]) -> list[str]:
    """Our node as it ships, on these topics."""
    command = [str(node()), "run", "--ros-args", "--params-file", str(ROOT / "params" / "clearance.yaml")]
    own = [f"{source}.topic:={topics}/{topic}" for source, topic in
           (("scan", "scan"), ("odom", "odom"), ("cmd", "cmd_vel"))]  # fmt: skip
    for parameter in [f"model:={MODEL}", *own, *parameters]:
        command += ["-p", parameter]
    return command


def rclpy_ort(topics: str) -> list[str]:
    """The node in Python."""
    if not PEER_PYTHON.exists():
        raise Trouble(f"There is no {PEER_PYTHON}: `benches/live/setup.sh peer` makes it.")
    script = [str(LIVE / "rclpy_ort.py"), "--model", str(MODEL), "--exported", str(OUT / "clearance.onnx")]
    return [str(PEER_PYTHON), *script, "--ros-args", *_remapped(topics, "scan", "odom", "cmd_vel")]


def r2r_echo(program: Path, topics: str) -> list[str]:
    """The floor."""
    if not program.exists():
        raise Trouble(f"There is no {program}: `cargo build --release --features ros --example echo` makes it.")
    decision = ["-r", "/echo/decision:=/r2r_echo/decision"]
    return [str(program), "--ros-args", *_remapped(topics, "scan"), *decision]


def _remapped(topics: str, *names: str) -> list[str]:
    return [word for name in names for word in ("-r", f"/{name}:={topics}/{name}")]


def end_on_signals() -> None:
    """SIGTERM ends a bench as Ctrl-C does: what it started is ended first."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
