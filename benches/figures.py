"""Puts what the benches measured into README.md and docs/: `make figures` calls it after them.

Every block (see block.py) is replaced by what its bench wrote for it, where that is of the bundles that
ship. Those that no bench writes stay. With --mark-before, blocks of earlier bundles that claim to be
current say instead, in words too, that they are not; nothing is measured for that.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import block
import report
from block import BLOCK, ROOT, Block

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EARLIER = "*Of {bundles}, before the bundle that ships.*"


def measured(folder: Path, present: dict[str, str]) -> dict[str, Block]:
    """What the benches left and the bundles' reports say, by name; what is of earlier bundles is left out."""
    found = report.blocks(present)
    for file in sorted((folder / "figures").glob("*.md")):
        match = BLOCK.search(file.read_text())
        one = match and Block.of(match)
        if one is None or one.stale(present):
            print(f"{file}: of another bundle, not taken")
        else:
            found[one.name] = one
    return found


def taken(old: Block, new: Block) -> Block:
    """The new figures, in the middle of a line where the old ones are."""
    if old.text.startswith("\n"):
        # A list or a table begins behind an empty line.
        return replace(new, text=f"\n\n{new.text.strip()}\n\n" if "|---" in new.text else f"\n{new.text.strip()}\n")
    return replace(new, text=new.text.strip())


def earlier(old: Block, present: dict[str, str]) -> Block:
    stale = old.stale(present)
    if not stale or old.claim == "before":
        return old
    said = EARLIER.format(bundles=", ".join(f"`{task}-{digest}`" for task, digest in stale.items()))
    text = f"\n\n{said}\n{old.text}" if old.text.startswith("\n") else f"{said} {old.text}"
    return replace(old, claim="before", text=text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--node", type=Path, required=True, help="the program, which knows the bundles' ids")
    parser.add_argument("--measured", type=Path, default=ROOT / "target" / "bench", help="where the benches wrote")
    parser.add_argument("--mark-before", action="store_true", help="say of stale figures that they are")
    parser.add_argument("documents", type=Path, nargs="*", default=DOCUMENTS)
    args = parser.parse_args()
    os.chdir(ROOT)
    present = block.present(args.node)
    fresh = {} if args.mark_before else measured(args.measured, present)
    for document in args.documents:
        text = document.read_text()

        def renewed(match) -> str:  # noqa: ANN001
            old = Block.of(match)
            if args.mark_before:
                return str(earlier(old, present))
            if old.name in fresh:
                new = taken(old, fresh[old.name])
                # The same again keeps its date.
                return match[0] if replace(new, date=old.date) == old else str(new)
            if old.stale(present):
                print(f"{document.name}: {old.name} stays as it was, of {old.date}: nothing newer was measured")
            return match[0]

        new = BLOCK.sub(renewed, text)
        if new != text:
            document.write_text(new)
            print(f"{document.name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
