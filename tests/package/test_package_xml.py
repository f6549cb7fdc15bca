"""package.xml names what the package needs, so that rosdep installs it."""

import ast
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "package.xml").read_text()
XML = ElementTree.fromstring(TEXT)
# Of a launch file in Python: the module is not called as its package.
PACKAGE_OF = {"launch": "launch", "launch_ros": "launch_ros", "ament_index_python": "ament_index_python"}


def depends(*kinds):
    return {tag.text for kind in kinds for tag in XML.findall(kind)}


def optional():
    """The packages that the comment of package.xml lists as found at run time."""
    comment = next(c for c in re.findall(r"<!--(.*?)-->", TEXT, re.DOTALL) if "Found at run time" in c)
    return set(re.findall(r"^ {9}(\w+) {2,}\S", comment, re.MULTILINE))


def modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def calls(tree, name):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == name:
            yield node


def test_it_is_what_the_schema_asks_for():
    assert XML.tag == "package" and XML.get("format") == "3"
    version = XML.findtext("version")
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert f'version = "{version}"' in (ROOT / "Cargo.toml").read_text()
    people = XML.findall("maintainer")
    assert people and all(re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", one.get("email")) for one in people)
    assert not any(one.get("email").endswith(".invalid") for one in people)
    assert XML.findtext("license") == "Apache-2.0"
    order = [tag.tag for tag in XML]
    known = ["name", "version", "description", "maintainer", "license", "buildtool_depend", "build_depend"]
    known += ["depend", "exec_depend", "member_of_group", "export"]
    assert order == sorted(order, key=known.index), order
    named = [tag.text for tag in XML if tag.tag.endswith("depend")]
    assert len(named) == len(set(named)), "twice"


def test_every_package_of_the_launch_files_is_a_dependency_or_looked_up():
    runs = depends("depend", "exec_depend")
    looked_up = set()
    for file in (ROOT / "launch").glob("*.py"):
        tree = ast.parse(file.read_text())
        beside = {path.stem for path in file.parent.glob("*.py")}
        for module in modules(tree):
            top = module.split(".")[0]
            if top not in sys.stdlib_module_names and top not in beside:
                assert PACKAGE_OF[top] in runs, (file.name, module)
        required = {call.args[0].value for call in calls(tree, "require")}
        for call in calls(tree, "Node"):
            package = next(k.value.value for k in call.keywords if k.arg == "package")
            assert package in runs | {"edge_reasoner"} or package in required, (file.name, package)
        looked_up |= required
    assert looked_up and looked_up <= optional()


def test_every_package_of_the_other_launch_files_is_a_dependency():
    runs = depends("depend", "exec_depend") | {"edge_reasoner"}
    kinds = {".xml": "launch_xml", ".yaml": "launch_yaml"}
    for file in (ROOT / "launch").glob("*.launch.*"):
        if file.suffix in kinds:
            text = file.read_text()
            named = re.findall(r"find-pkg-(?:share|prefix) (\w+)", text)
            named += re.findall(r"""pkg[=:]\s*["']?(\w+)""", text)
            assert {kinds[file.suffix], *named} <= runs, file.name
    # The verbs that README and docs tell people to use.
    assert {"ros2launch", "ros2run"} <= runs


def test_every_package_whose_messages_are_named_is_a_dependency_or_optional():
    known = depends("depend", "build_depend") | optional() | {"edge_reasoner"}
    texts = [*(ROOT / "params").rglob("*.yaml"), *(ROOT / "launch").glob("*.py"), *(ROOT / "src/params/table").glob("*.rs")]
    named = {p for file in texts for p in re.findall(r"\b(\w+)/(?:msg|srv)/[A-Z]\w+", file.read_text())}
    generated = re.search(r'IDL_PACKAGE_FILTER = "(.*?)"', (ROOT / ".cargo/config.toml").read_text())
    # rcl's own, in the distributions that have them; it depends on them itself.
    of_rcl = {"service_msgs", "type_description_interfaces"}
    named |= set(re.split(r"[;,]", generated.group(1))) - of_rcl
    assert named - known == set()
