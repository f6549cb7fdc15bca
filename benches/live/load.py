"""Something else that wants the processor."""

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from processes import Processes

STRESS_NG = ["stress-ng", "--cpu", "2", "--vm", "1", "--quiet"]
SPIN = "while True: pass"
WRITE = "block = bytearray(1 << 28)\nwhile True:\n    for at in range(0, len(block), 4096): block[at] ^= 1"


def words() -> str:
    if shutil.which(STRESS_NG[0]):
        return " ".join(STRESS_NG[:-1])
    return "two endless loops and one that writes 256 MB (stress-ng is not installed)"


@contextlib.contextmanager
def stress(logs: Path, env: dict[str, str]) -> Iterator[None]:
    """Load while the block runs; all of it is gone afterwards."""
    processes = Processes(logs, env)
    try:
        if shutil.which(STRESS_NG[0]):
            processes.start("stress-ng", STRESS_NG)
        else:
            for name, text in (("spin-1", SPIN), ("spin-2", SPIN), ("write", WRITE)):
                processes.start(name, [sys.executable, "-c", text])
        time.sleep(1.0)
        for name in processes.running:
            processes.ended(name)
        yield
    finally:
        processes.stop()
