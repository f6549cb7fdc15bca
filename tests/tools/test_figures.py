"""Figures in documents: which bundle each is of, and that `make figures` puts them where they belong."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "benches"), str(ROOT / "demo")]

import block
from block import BLOCK, Block
from figures import DOCUMENTS

# Blocks that `make figures` writes.
WRITTEN = {"bench-node", "bench-gate", "bench-gateway", "soak", "bench-engine", "bench-engine-in-short",
           "bench-instructions", "scores"}  # fmt: skip


def node() -> str:
    from run import installed_node

    return os.environ.get("EDGE_REASONER_NODE") or str(installed_node())


@pytest.fixture(scope="module")
def present() -> dict[str, str]:
    return block.present(node())


def blocks(document: Path) -> list[Block]:
    return [Block.of(match) for match in BLOCK.finditer(document.read_text())]


def test_every_block_can_be_read_and_none_is_missing() -> None:
    for document in DOCUMENTS:
        text = document.read_text()
        assert text.count("<!-- figures:") == text.count("<!-- /figures -->") == len(blocks(document)), document
    names = [one.name for document in DOCUMENTS for one in blocks(document)]
    assert len(names) == len(set(names)), names
    assert WRITTEN <= set(names)


def test_figures_are_of_the_bundles_that_they_claim(present: dict[str, str]) -> None:
    faults = []
    for document in DOCUMENTS:
        for one in blocks(document):
            where = f"{document.name}: {one.name} of {one.date}"
            stale = ", ".join(f"{task}-{digest}" for task, digest in one.stale(present).items())
            if stale and one.claim == "current":
                faults.append(
                    f"{where} claims to be current and is of {stale}: run `make figures`, or `make mark-figures`"
                    " to say that it is of a bundle before"
                )
            elif stale:
                warnings.warn(f"STALE FIGURES: {where} is of {stale}; `make figures` measures anew", stacklevel=1)
            elif one.claim == "before":
                faults.append(f"{where} says that it is of a bundle before, and is of the one that ships")
    assert not faults, "\n".join(faults)


DOCUMENT = """# A title

<!-- figures: bench-gate bundles=clearance-{old} date=2026-01-01 current -->

| | a |
|---|---:|
| ours | 1 |

<!-- /figures -->

- In a line: <!-- figures: bench-engine-in-short bundles=clearance-{old} date=2026-01-01 -->7 µs<!-- /figures --> it is.

<!-- figures: by-hand bundles=clearance-{old} date=2026-01-01 current -->
nobody writes this
<!-- /figures -->
"""


def figures(document: Path, *words: str) -> str:
    command = [sys.executable, ROOT / "benches" / "figures.py", "--node", node(), *words, document]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_what_was_measured_goes_where_the_old_figures_are(tmp_path: Path, present: dict[str, str]) -> None:
    document = tmp_path / "doc.md"
    document.write_text(DOCUMENT.format(old="00000000"))
    mine = {"clearance": present["clearance"]}
    block.write(tmp_path, "bench-gate", mine, "| | a |\n|---|---:|\n| ours | 2 |")
    block.write(tmp_path, "bench-engine-in-short", mine, "8 µs")
    said = figures(document, "--measured", str(tmp_path))
    text = document.read_text()
    assert "| ours | 2 |" in text and "| ours | 1 |" not in text
    assert "-->8 µs<!-- /figures --> it is." in text
    assert "nobody writes this" in text and "by-hand stays as it was" in said
    gate, short, by_hand = blocks(document)
    assert (gate.bundles, gate.claim) == (mine, "current") and short.bundles == mine
    assert by_hand.bundles == {"clearance": "00000000"}
    # A second time nothing changes.
    figures(document, "--measured", str(tmp_path))
    assert document.read_text() == text


def test_figures_of_an_earlier_bundle_are_not_taken(tmp_path: Path) -> None:
    document = tmp_path / "doc.md"
    document.write_text(DOCUMENT.format(old="00000000"))
    block.write(tmp_path, "bench-gate", {"clearance": "11111111"}, "| ours | 3 |")
    said = figures(document, "--measured", str(tmp_path))
    assert "of another bundle, not taken" in said
    assert document.read_text() == DOCUMENT.format(old="00000000")


def test_stale_figures_can_be_marked_as_such(tmp_path: Path, present: dict[str, str]) -> None:
    document = tmp_path / "doc.md"
    document.write_text(DOCUMENT.format(old="00000000"))
    figures(document, "--mark-before")
    marked = document.read_text()
    assert {one.claim for one in blocks(document)} == {"before"}
    assert marked.count("Of `clearance-00000000`, before the bundle that ships.") == 3
    figures(document, "--mark-before")
    assert document.read_text() == marked
    # Figures of the bundle that ships are left as they are.
    document.write_text(DOCUMENT.format(old=present["clearance"]))
    figures(document, "--mark-before")
    assert document.read_text() == DOCUMENT.format(old=present["clearance"])
