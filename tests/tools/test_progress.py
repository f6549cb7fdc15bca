"""What scripts/progress.py makes of cargo's words."""

import io
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "progress.py"
sys.path.insert(0, str(SCRIPT.parent))

import progress  # noqa: E402


def _numbered(*pieces: str) -> list[str]:
    out = io.StringIO()
    numbered = progress.Numbered(out)
    for piece in pieces:
        numbered.take(piece)
    return out.getvalue().splitlines()


def test_each_crate_has_its_number_and_the_total() -> None:
    lines = _numbered(
        "   Compiling serde v1.0.229",  # the bar comes half a second late
        "    Building [                           ] 0/391: serde",
        "   Compiling syn v3.0.9\x1b[K",
        "    Building [==>                        ] 11/391: syn, serde",
        "   Compiling burn-flex v0.22.1",
        "    Finished `release` profile [optimized] target(s) in 2.00s",
    )
    assert lines == [
        "[  1/391] Compiling serde v1.0.229",
        "[  2/391] Compiling syn v3.0.9",
        "[ 12/391] Compiling burn-flex v0.22.1",
        "    Finished `release` profile [optimized] target(s) in 2.00s",
    ]


def test_what_takes_long_is_named_again() -> None:
    numbered = progress.Numbered(out := io.StringIO())
    numbered.spoke -= 2 * progress.SILENCE_S
    for _ in range(2):
        numbered.take("    Building [======>    ] 371/391: burn-flex, edge_reasoner")
    assert out.getvalue() == "[371/391] still compiling: burn-flex, edge_reasoner\n"


def test_errors_and_the_status_come_through() -> None:
    words = "import sys; sys.stderr.write('error: no such crate\\n'); sys.exit(101)"
    done = subprocess.run(
        [sys.executable, SCRIPT, sys.executable, "-c", words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (101, "error: no such crate\n")
