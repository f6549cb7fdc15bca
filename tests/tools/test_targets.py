"""Every target of the Makefile in a mode of seconds: tools that nobody has run for a while rot.

What the benches find here are no figures. A target that says "skipped: ..." of what this machine lacks
is shown as skipped with that sentence.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "demo")]
DATA = "tests/data"

# Targets that the suite itself consists of, that build, or that delete; test_figures.py has the last two.
NOT_HERE = {"help", "setup", "build", "test", "test-fast", "test-wgpu", "test-kernels", "lint", "fmt",
            "clean", "distclean", "figures", "mark-figures"}  # fmt: skip


def node() -> Path:
    from run import installed_node

    return Path(os.environ.get("EDGE_REASONER_NODE") or installed_node())


def make(target: str, *words: str, seconds: float = 600.0) -> str:
    """Runs a target with the node that is installed; what it said."""
    command = ["make", "--no-print-directory", target, f"NODE={node()}", *words]
    # An outer make would hand its own variables down.
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds
    )
    assert "Traceback" not in done.stdout, done.stdout
    assert done.returncode == 0, done.stdout
    if skipped := re.search(r"^skipped: .*", done.stdout, re.MULTILINE):
        pytest.skip(skipped[0].removeprefix("skipped: "))
    return done.stdout


SMOKE = ROOT / "target" / "bench" / "smoke" / "figures"


def figures(name: str) -> Path:
    """What a bench writes for `make figures`; what an earlier run left is removed."""
    file = SMOKE / f"{name}.md"
    file.unlink(missing_ok=True)
    return file


def test_every_target_is_run_here_or_by_the_suite() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    here = set(re.findall(r'make\("([a-z-]+)"', Path(__file__).read_text()))
    assert targets - here == NOT_HERE & targets
    assert NOT_HERE <= targets


def test_the_velocity_gate() -> None:
    block = figures("bench-gate")
    make("bench-gate", "ARGS=--smoke")
    assert block.read_text().startswith("<!-- figures: bench-gate bundles=clearance-")


def test_a_gateway() -> None:
    block = figures("bench-gateway")
    make("bench-gateway", "ARGS=--smoke")
    assert block.read_text().startswith("<!-- figures: bench-gateway bundles=clearance-")


def test_a_soak() -> None:
    block = figures("soak")
    make("soak", "ARGS=--smoke")
    assert block.read_text().startswith("<!-- figures: soak bundles=clearance-")


def test_the_node_beside_one_in_python() -> None:
    block = figures("bench-node")
    make("bench-node", "ARGS=--smoke")
    assert block.read_text().startswith("<!-- figures: bench-node bundles=clearance-")


def test_the_engines_beside_other_runtimes() -> None:
    block = figures("bench-engine-in-short")
    said = make("bench-engine", "ARGS=--smoke", f"DATA={DATA}")
    assert re.search(r"\| packed_int8 \| \d", said) and "Same label as flex on" in said
    assert "µs on `packed` in INT8" in block.read_text()


def test_the_language_engine_beside_llama_cpp() -> None:
    said = make("bench-language", "ARGS=--smoke")
    assert re.search(r"\| a token behind 8, ms \| \d", said), said
    found = json.loads((ROOT / "target/bench/smoke/language.json").read_text())
    keys = {"prefill_tok_s", "decode_ms", "label_ms", "json16_ms", "load_s", "rss_mb"}
    assert all(keys <= row.keys() for row in found["rows"].values()), found
    assert found["floor"]["decode_ms"]["8"] > 0 and len(found["rows"]) == 3


def test_the_language_engine_without_weights_is_skipped_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="make slm brings them"):
        make("bench-language", "ARGS=--smoke")


def test_instructions() -> None:
    said = make("bench-instructions", "ARGS=--smoke")
    assert re.search(r"\| packed_int8 \| \d+ \|", said)


def test_the_bench_of_a_gpu_starts_where_there_is_none() -> None:
    requirements = "benches/engine/requirements.txt"
    made = subprocess.run(["benches/venv.sh", "engine", requirements], cwd=ROOT, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(made.stderr.strip())
    command = [Path(made.stdout.strip()) / "bin" / "python", ROOT / "benches/engine/gpu.py", "--help"]
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and "wgpu" in done.stdout, done.stderr


def test_the_gpu() -> None:
    make("bench-gpu", "ARGS=--smoke")


def test_a_training_and_the_trees_beside_it(tmp_path: Path) -> None:
    # Without their list, which says that they are simulated: those teach and never judge.
    recordings, models = tmp_path / "clearance", tmp_path / "models"
    recordings.mkdir()
    for recording in (ROOT / DATA / "clearance").glob("*.mcap"):
        shutil.copy(recording, recordings)
    words = ["TASKS=clearance", f"DATA={tmp_path}", "DRIVES="]
    make("train", *words, f"OUT={models}", "ARGS=--seed 3")
    assert (models / "clearance" / "weights.safetensors").is_file()
    said = make("bench-trees", *words, f"MODELS={models}", "ARGS=--smoke")
    assert re.search(r"\| trees, defaults \| 0\.\d+ \|", said), said


def test_trees_without_recordings_are_skipped_in_a_sentence() -> None:
    with pytest.raises(pytest.skip.Exception, match="no recordings of clearance at /nowhere/clearance"):
        make("bench-trees", "TASKS=clearance", "DATA=/nowhere", "ARGS=--smoke")


def test_trees_beside_a_bundle_that_learned_from_other_recordings_are_skipped_in_a_sentence() -> None:
    with pytest.raises(pytest.skip.Exception, match="none of the recordings that taught clearance-"):
        make("bench-trees", "TASKS=clearance", f"DATA={DATA}", "DRIVES=", "ARGS=--smoke")


def test_a_training_without_recordings_is_refused_in_a_sentence() -> None:
    with pytest.raises(AssertionError, match="no recordings at /nowhere/clearance"):
        make("train", "TASKS=clearance", "DATA=/nowhere", "DRIVES=")


def test_drives(tmp_path: Path) -> None:
    make("drives", f"DRIVES={tmp_path}", "ARGS=--count 1 --seconds 2")
    assert (tmp_path / "drive_000.mcap").is_file() and (tmp_path / "manifest.csv").is_file()


def test_a_replay(tmp_path: Path) -> None:
    make("replay", f"BAG={DATA}/clearance/drive_127.mcap", f"OUT={tmp_path}")
    assert (tmp_path / "drive_127.mcap").is_file()


def test_a_replay_of_nothing_is_refused_in_a_sentence() -> None:
    with pytest.raises(AssertionError, match="make replay needs recordings"):
        make("replay")


def test_the_demo(tmp_path: Path) -> None:
    make("demo", f"ARGS=--duration 6 --no-second-run --out {tmp_path}")
    assert (tmp_path / "summary.json").is_file()


def test_a_question_to_the_language_model() -> None:
    said = make("slm")
    if "SmolLM2-135M-Instruct.Q4_1.gguf" not in said:
        pytest.skip(f"the weights cannot be fetched here: {said.strip()}")
    said = make("reason", "DEADLINE=60000", "QUESTION=A wall is ahead.", "ARGS=--json")
    assert '"source":"MODEL"' in said, said


def test_fuzzing() -> None:
    said = make("fuzz", "RUNS=300")
    assert said.count("number_of_executed_units") == 8, said


def test_a_package_index_out_of_reach_is_said_in_a_sentence(tmp_path: Path) -> None:
    env = os.environ | {"CARGO_TARGET_DIR": str(tmp_path), "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
                        "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}  # fmt: skip
    command = ["benches/venv.sh", "trees", "benches/trees/requirements.txt"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 3 and done.stderr.startswith("skipped: pip does not reach"), done.stderr


def test_a_lock_file_that_no_longer_fits_is_an_error(tmp_path: Path) -> None:
    manifest = '[package]\nname = "a"\nversion = "0.1.0"\nedition = "2024"\n[dependencies]\nlibc = "0.2"\n[workspace]\n'
    (tmp_path / "Cargo.toml").write_text(manifest)
    (tmp_path / "Cargo.lock").write_text('version = 4\n\n[[package]]\nname = "a"\nversion = "0.1.0"\n')
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "lib.rs").write_text("")
    command = ["scripts/fetch.sh", tmp_path / "Cargo.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (1, 3), done.stderr
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert "lock file" in done.stderr


def test_licences() -> None:
    assert "test result: ok" in make("deny")
