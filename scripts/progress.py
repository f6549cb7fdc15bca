"""Runs cargo and numbers what it compiles:   python3 scripts/progress.py cargo build --release

    [ 12/391] Compiling serde v1.0.229
    [371/391] still compiling: burn-flex, edge_reasoner

cargo has a bar with a total for a terminal. Under colcon it writes into a pipe, or into a terminal
of no width, and shows none; so it is told to show one, and the numbers are read from that.
"""

import os
import re
import subprocess
import sys
import time

BAR = re.compile(r"Building \[[=> ]*\] (\d+)/(\d+)(?:: (.*))?")
# Without a word for so long, what is being compiled is named again.
SILENCE_S = 30.0


class Numbered:
    """Writes cargo's lines to `out`, those of crates with a number and the total."""

    def __init__(self, out):
        self.out, self.done, self.total, self.at_work = out, 0, 0, ""
        self.begun, self.spoke = 0, time.monotonic()
        self.held: list[str] = []  # until the total is known, half a second

    def take(self, piece: str) -> None:
        """Takes one line of cargo, or one state of its bar."""
        piece = piece.replace("\x1b[K", "").rstrip()
        if bar := BAR.search(piece):
            self.done, self.total = int(bar[1]), int(bar[2])
            self.at_work = bar[3] or self.at_work
            self.let_go()
            if time.monotonic() - self.spoke > SILENCE_S:
                self.say(f"{self.number(self.done)}still compiling: {self.at_work}")
        elif piece.lstrip().startswith("Compiling "):
            self.held.append(piece.strip())
            if self.total:
                self.let_go()
        elif piece.strip():
            self.let_go()
            self.say(piece)

    def let_go(self) -> None:
        for line in self.held:
            self.begun = max(self.begun, self.done) + 1
            self.say(self.number(min(self.begun, self.total)) + line)
        self.held.clear()

    def number(self, which: int) -> str:
        """`[ 12/391] `; nothing where the total never was known."""
        return f"[{which:{len(str(self.total))}}/{self.total}] " if self.total else ""

    def say(self, line: str) -> None:
        self.spoke = time.monotonic()
        self.out.write(line + "\n")
        self.out.flush()


def main(command: list[str]) -> int:
    shown = {"CARGO_TERM_PROGRESS_WHEN": "always", "CARGO_TERM_PROGRESS_WIDTH": "120"}
    numbered = Numbered(sys.stdout)
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | shown) as cargo:
        assert cargo.stderr is not None
        rest = ""
        while chunk := os.read(cargo.stderr.fileno(), 65536):
            *pieces, rest = re.split(r"[\r\n]", rest + chunk.decode(errors="replace"))
            for piece in pieces:
                numbered.take(piece)
        numbered.take(rest)
    return cargo.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
