"""README, CONTRIBUTING and docs/: every link, path, make target, verb and flag that they name exists, and
README stays short.

Checks read text; only those of verbs and flags run the node that is installed.
"""

import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "demo")]

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MOST_BYTES = 9000
VERBS = {
    *("run", "replay", "train", "compress", "eval", "compare", "profile", "plan", "inspect", "reason", "fetch"),
    "parameters",
}
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
# Made by a build or a run, or by the reader.
MADE = {"install", "build", "target", "log"}
YOURS = {"models/mine", "models/clearance_int8"}

FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def prose(text: str) -> str:
    """Without code blocks and comments."""
    return COMMENT.sub("", FENCE.sub("", text))


def code(text: str) -> list[str]:
    """Code blocks and code in a line, without pictures that are drawn from text."""
    blocks = [block for block in FENCE.findall(text) if not block.lstrip().startswith("```mermaid")]
    return blocks + re.findall(r"`([^`\n]+)`", prose(text))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def anchors(document: Path) -> set[str]:
    found, seen = set(), {}
    for heading in re.findall(r"^#{1,6} +(.+)$", prose(document.read_text()), re.MULTILINE):
        name = slug(heading)
        seen[name] = seen.get(name, -1) + 1
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
    return found


def broken_links(document: Path) -> Iterator[str]:
    for target in LINK.findall(prose(document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists():
            yield f"{document.name}: {target}: no such file"
        elif anchor and anchor not in anchors(file):
            yield f"{document.name}: {target}: no such heading"


def missing_paths(document: Path) -> Iterator[str]:
    """Paths that begin with a folder of the repository."""
    for piece in code(document.read_text()):
        for path in re.findall(r"(?<![\w./~$()-])(?:%s)/[\w./*-]*" % "|".join(FOLDERS), piece):
            path = path.rstrip(".").removeprefix("src/edge_reasoner/")  # in the reader's workspace
            if path.split("/")[0] in MADE or path in YOURS:
                continue
            if not any(ROOT.glob(path.rstrip("/"))):
                yield f"{document.name}: {path}: no such file"


@functools.cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def missing_targets(document: Path) -> Iterator[str]:
    for piece in code(document.read_text()):
        for target in re.findall(r"^make ([a-z][a-z-]*)", piece, re.MULTILINE):
            if target not in targets():
                yield f"{document.name}: make {target}: no such target"


def missing_files_of_rooms(text: str) -> Iterator[str]:
    """The table of rooms in docs/architecture.md: `state/failover` in the row of `scheduler/` is a file there.

    In a row that names folders of the room (`laser/`), a file may be in one of those.
    """
    table = text.partition("\n## The rooms\n")[2].partition("\n## ")[0]
    for row in re.findall(r"^\| `.*", table, re.MULTILINE):
        rooms, names = (re.findall(r"`([^`]+)`", cell) for cell in row.split("|")[1:3])
        homes = [ROOT / "src" / room for room in rooms if room.endswith("/")]
        homes += [home / name for home in homes for name in names if name.endswith("/") and (home / name).is_dir()]
        for file in [room for room in rooms if room.endswith(".rs")]:
            if not (ROOT / "src" / file).exists():
                yield f"{file}: no such file"
        for name in names:
            plain = re.fullmatch(r"([a-z0-9_]+(?:/[a-z0-9_]+)*)(?:\.rs|/)?", name)
            if not plain or name in VERBS:
                continue
            if not any((home / plain[1]).is_dir() or (home / f"{plain[1]}.rs").exists() for home in homes):
                yield f"{name}: no such file in {', '.join(rooms)}"


def node() -> str:
    from run import Trouble, installed_node

    try:
        return os.environ.get("EDGE_REASONER_NODE") or str(installed_node())
    except Trouble as trouble:
        pytest.skip(str(trouble))


@functools.cache
def help_of(verb: str) -> str:
    """What `edge_reasoner VERB --help` says; empty where there is no such verb."""
    command = [node(), *verb.split(), "--help"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout if done.returncode == 0 else ""


def verbs(of: str = "") -> set[str]:
    """The verbs, or those that stand behind one of them, such as `add` behind `plan`."""
    listed = help_of(of).partition("Commands:")[2].partition("Options:")[0]
    return set(re.findall(r"^  ([a-z]+)  ", listed, re.MULTILINE))


def flags(verb: str) -> set[str]:
    return set(FLAG.findall(help_of(verb)))


def commands(text: str) -> Iterator[tuple[str, str]]:
    """(verb, the words behind it) of every command line; `train --folds 5` in a line counts as well."""
    for piece in code(text):
        for line in piece.replace("\\\n", " ").splitlines():
            line = line.split(" #")[0]
            if call := re.match(r"(?:RUST_LOG=\S+ )?edge_reasoner ([a-z]+)(.*)", line.strip()):
                yield call[1], call[2]
            elif call := re.match(r"(%s) (--.*)" % "|".join(sorted(verbs())), line.strip()):
                yield call[1], call[2]


def missing_flags(document: Path) -> Iterator[str]:
    for verb, words in commands(document.read_text()):
        if verb not in verbs():
            yield f"{document.name}: edge_reasoner {verb}: no such verb"
            continue
        first = words.split()[:1]
        if first and first[0] in verbs(verb):
            verb = f"{verb} {first[0]}"
        # What stands behind --ros-args is ROS's.
        own = words.split("--ros-args")[0]
        for flag in FLAG.findall(re.sub(r'"[^"]*"', "", own)):
            if flag not in flags(verb):
                yield f"{document.name}: edge_reasoner {verb} {flag}: not in its help"


def test_every_link_leads_somewhere() -> None:
    assert [fault for document in DOCUMENTS for fault in broken_links(document)] == []


def test_every_path_exists() -> None:
    assert [fault for document in DOCUMENTS for fault in missing_paths(document)] == []


def test_every_room_has_the_files_that_the_architecture_names() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert list(missing_files_of_rooms(text)) == []
    broken = text.replace("| `scheduler/` | One", "| `scheduler/` | `no_such_file`, one")
    assert list(missing_files_of_rooms(broken)) == ["no_such_file: no such file in scheduler/"]


def test_every_make_target_exists() -> None:
    assert [fault for document in DOCUMENTS for fault in missing_targets(document)] == []


def test_every_verb_and_flag_is_in_its_help() -> None:
    node()
    assert len(list(commands((ROOT / "docs" / "replay.md").read_text()))) > 3
    assert [fault for document in DOCUMENTS for fault in missing_flags(document)] == []


def test_figures_in_a_line_do_not_begin_it() -> None:
    # A line that begins with a comment is shown as it is: `*Of ...*` with its stars.
    for document in DOCUMENTS:
        assert re.findall(r"^ *<!-- figures: [^>]*-->.+", document.read_text(), re.MULTILINE) == [], document.name


def test_readme_is_short_and_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.encode()) <= MOST_BYTES, "what is longer belongs into docs/"
    linked = {target.partition("#")[0] for target in LINK.findall(prose(readme))}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


FAULTY = """# A title

[no file](docs/no_such.md), [no heading](#no-such), [outside](https://example.org), [fine](#a-title).
See `src/no_such/file.rs`; run `make no-such-target`, `make demo BAG=x`.

```
edge_reasoner replay drive.mcap --out out --no-such-flag
edge_reasoner nosuchverb drive.mcap
edge_reasoner run --ros-args --params-file my_robot.yaml
cat params/no_such.yaml
```
"""


def test_faults_are_found(tmp_path: Path) -> None:
    document = tmp_path / "doc.md"
    document.write_text(FAULTY)
    assert len(list(broken_links(document))) == 2
    assert [fault.split(": ")[1] for fault in missing_paths(document)] == ["params/no_such.yaml", "src/no_such/file.rs"]
    assert list(missing_targets(document)) == ["doc.md: make no-such-target: no such target"]
    node()
    assert list(missing_flags(document)) == [
        "doc.md: edge_reasoner replay --no-such-flag: not in its help",
        "doc.md: edge_reasoner nosuchverb: no such verb",
    ]
