"""What the live benches start, and what they share."""

import argparse
import os
import signal
import sys
from pathlib import Path

LIVE = Path(__file__).resolve().parent
ROOT = LIVE.parents[1]
# What all benches share; the demo's room, and its way with processes.
sys.path += [str(ROOT / "benches"), str(ROOT / "demo")]

import block  # noqa: E402
from processes import Trouble  # noqa: E402
from run import installed_node  # noqa: E402

MODEL = ROOT / "models" / "clearance"
OUT = ROOT / "target" / "bench"


def parser(doc: str) -> argparse.ArgumentParser:
    """Of a bench that runs our node; its doc says what it does."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME:=VALUE",
                      help="a parameter of our node, may be repeated")  # fmt: skip
    made.add_argument("--out", type=Path, default=OUT, help="folder (target/bench)")
    made.add_argument("--smoke", action="store_true", help="seconds instead of minutes, to see that it runs:"
                      " what it writes, to OUT/smoke, are no figures")  # fmt: skip
    return made


def parsed(made: argparse.ArgumentParser, **smoke: object) -> argparse.Namespace:
    """The arguments; under --smoke with these values."""
    args = made.parse_args()
    if args.smoke:
        vars(args).update(smoke)
        args.out = args.out / "smoke"
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def bundle() -> dict[str, str]:
    """The bundle under test: its task and the digest in its id."""
    return {MODEL.name: block.present(node())[MODEL.name]}


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


def rclpy_ort(python: Path, exported: Path, topics: str) -> list[str]:
    """The node in Python."""
    script = [str(LIVE / "rclpy_ort.py"), "--model", str(MODEL), "--library", str(window())]
    script += ["--exported", str(exported)]
    return [str(python), *script, "--ros-args", *_remapped(topics, "scan", "odom", "cmd_vel")]


def examples() -> Path:
    """Where cargo leaves what it builds of examples/."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "examples"


def window() -> Path:
    """Our window, as the node in Python loads it."""
    library = examples() / "libwindow.so"
    if not library.exists():
        raise Trouble(f"There is no {library}: `cargo build --release --features ros --example window` makes it.")
    return library


def r2r_echo(topics: str) -> list[str]:
    """The floor."""
    program = examples() / "echo"
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
