"""Blocks of figures, as documents take them in: what was measured, of which bundles, and when.

A block begins with a comment such as

    <!-- figures: bench-node bundles=clearance-707734b8 date=2026-11-21 current -->

and ends with `<!-- /figures -->`. `current`: it claims to be of the bundles that ship; `before`: it says
that it is of earlier ones (an id that nobody knows any more is `?`). `make figures` writes them.
"""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Not the language models: nothing is measured with them yet.
TASKS = sorted(
    path.parent.name for path in ROOT.glob("models/*/model.yaml") if "kind: language" not in path.read_text()
)
BLOCK = re.compile(
    r"<!-- figures: (?P<name>\S+) bundles=(?P<bundles>\S+) date=(?P<date>\S+)(?: (?P<claim>current|before))? -->"
    r"(?P<text>.*?)<!-- /figures -->",
    re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """Figures of a bench or of a report."""

    name: str
    # Task to bundle id.
    bundles: dict[str, str]
    date: str
    claim: str | None
    text: str

    @classmethod
    def of(cls, match: re.Match) -> "Block":
        bundles = dict(entry.rsplit("-", 1) for entry in match["bundles"].split(","))
        return cls(match["name"], bundles, match["date"], match["claim"], match["text"])

    def __str__(self) -> str:
        bundles = ",".join(f"{task}-{digest}" for task, digest in self.bundles.items())
        claim = f" {self.claim}" if self.claim else ""
        return f"<!-- figures: {self.name} bundles={bundles} date={self.date}{claim} -->{self.text}<!-- /figures -->"

    def stale(self, present: dict[str, str]) -> dict[str, str]:
        """Its bundles that are no longer those that ship."""
        return {task: digest for task, digest in self.bundles.items() if present.get(task) != digest}


def present(node: Path | str) -> dict[str, str]:
    """The bundles that ship: task to the digest in their id, as the node computes it."""
    found = {}
    for task in TASKS:
        command = [str(node), "inspect", str(ROOT / "models" / task), "--json"]
        said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        found[task] = said["id"].rsplit("-", 1)[1]
    return found


def write(out: Path, name: str, bundles: dict[str, str], text: str) -> None:
    """For `make figures`, which puts it into the documents."""
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    block = Block(name, bundles, time.strftime("%Y-%m-%d"), "current", f"\n{text.strip()}\n")
    (folder / f"{name}.md").write_text(f"{block}\n")
