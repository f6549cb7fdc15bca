"""What was driven, kept line by line, so that a run that was interrupted goes on."""

import hashlib
import json
import subprocess
from dataclasses import asdict
from functools import cache
from pathlib import Path

from gate.arms import Arm
from gate.rooms import Drive

ROOT = Path(__file__).resolve().parents[2]


@cache
def commit() -> str:
    """Of the checkout; "?" where there is none."""
    words = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() or "?"


@cache
def digest(node: Path | None) -> str:
    return "" if node is None else hashlib.blake2b(node.read_bytes(), digest_size=8).hexdigest()


class Results:
    def __init__(self, file: Path, fresh: bool) -> None:
        self.file = file
        if fresh:
            file.unlink(missing_ok=True)
        lines = file.read_text().splitlines() if file.exists() else []
        self.found = {}
        for line in lines:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a run that was ended while it wrote
            self.found[entry["key"]] = entry["result"]
        # A line that was cut would swallow the next one.
        if lines and not file.read_text().endswith("\n"):
            with file.open("a") as open_file:
                open_file.write("\n")

    @staticmethod
    def key(drive: Drive, arm: Arm, noise: int, seconds: float, extra: str = "") -> str:
        """All that the result hangs on."""
        what = [commit(), digest(arm.node), arm.name, arm.parameters, asdict(drive), noise, seconds, extra]
        return hashlib.blake2b(json.dumps(what).encode(), digest_size=12).hexdigest()

    def keep(self, key: str, result: dict, says: str) -> None:
        self.found[key] = result
        with self.file.open("a") as file:
            file.write(json.dumps({"key": key, "drive": says, "result": result}) + "\n")
