"""Our language engine beside llama.cpp (the file as it is packaged, and re-blocked to Q4_0), one run,
alternating, one pinned core: target/bench/language.json, language.md and language.svg. `make
bench-language` calls it.

A process per engine waits in a pipe and answers one order after the other, so that whatever disturbs
the machine disturbs all alike.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import reblock
import show

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benches" / "live"))

from machine import processor  # noqa: E402

HERE = Path(__file__).parent
CONTEXT = 2304
PREFIX, NEW = 200, 40
PREFILLS, DEPTHS, THOUGHTS = (32, 128, 512), (8, 512, 2048), (0, 24, 64)
LABELS = [" go", " slow", " stop", " help"]
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["action", "speed_cm_s"],
    "properties": {
        "action": {"enum": ["go", "slow", "stop", "help"]},
        "speed_cm_s": {"type": "integer", "minimum": 100, "maximum": 199},
    },
}
# The same in llama.cpp's words, without the spaces that its own schemas allow.
GRAMMAR = (
    'root ::= "{\\"action\\":\\"" ("go" | "slow" | "stop" | "help") "\\",\\"speed_cm_s\\":1" [0-9] [0-9] "}"'
)


class Engine:
    """An engine that waits for orders on this core."""

    def __init__(self, name, command, core, environment):
        self.name, self.found = name, {}
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        ready = self.process.stdout.readline().split()
        if not ready or ready[0] != "ready":
            raise SystemExit(f"{name} did not load; run {' '.join(map(str, command))} to see why")
        self.load, self.loaded = float(ready[1]), int(ready[2])
        self.path, self.sum = ready[3], ready[4]

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line):
        self.say(line)
        return self.process.stdout.readline().split()

    def time(self, key, line):
        self.found.setdefault(key, []).extend(map(float, self.ask(line)))

    def question(self, question):
        self.say("question")
        for tokens in question[:-1]:
            self.say(" ".join(map(str, tokens)))
        self.ask(" ".join(map(str, question[-1])))

    def json(self, runs):
        *times, tokens, text = self.ask(f"json {runs}")
        # For an answer of sixteen tokens, whatever this one has.
        self.found.setdefault("json16", []).extend(float(time) * 16 / int(tokens) for time in times)
        self.answer = [int(tokens), text]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def question(ours):
    """Tokens by our tokenizer, which is the same as llama.cpp's: tests hold that."""
    tokens = lambda text: list(map(int, ours.ask("tokens " + text)))
    story = "A delivery robot decides from its state what it does next. State: a chair stands in the way, 0.8 m ahead. "
    prefix = tokens(story * 20)[:PREFIX]
    new = tokens("State: the hall is empty and the goal is 5 m away, nobody is near. " * 8)[:NEW]
    cue = tokens("; Answer:")
    return [prefix, new, tokens("Thought:"), cue, [tokens(label)[0] for label in LABELS]]


def once(engines, smoke, first):
    """A round: every order, engine by engine."""
    runs = 2 if smoke else 8
    for tokens in PREFILLS[:1] if smoke else PREFILLS:
        for engine in engines:
            engine.time(f"prefill {tokens}", f"prefill {tokens} {1 if smoke or tokens > 200 else 2}")
    # The deepest once: to get there takes long.
    for depth in DEPTHS[:1] if smoke else DEPTHS[: None if first else 2]:
        for engine in engines:
            engine.time(f"decode {depth}", f"decode {depth} {runs}")
            if engine.path != "llama.cpp":
                engine.time(f"forced {depth}", f"forced {depth} {runs}")
    for thoughts in THOUGHTS[:1] if smoke else THOUGHTS:
        for engine in engines:
            engine.time(f"label {thoughts}", f"label {thoughts} {1 if smoke else 2}")
    for engine in engines:
        engine.json(1 if smoke else 3)


def row(engine):
    median = lambda key: round(float(np.median(engine.found[key])), 3)
    of = lambda kind: {key.split()[1]: median(key) for key in engine.found if key.startswith(kind + " ")}
    found = {
        "prefill_tok_s": {tokens: round(int(tokens) / time * 1e3, 1) for tokens, time in of("prefill").items()},
        "decode_ms": of("decode"),
        "label_ms": of("label"),
        "json16_ms": median("json16"),
        "load_s": engine.load,
        "rss_mb": {"loaded": round(engine.loaded / 2**20, 1), "end": round(engine.end / 2**20, 1)},
        "cold_decode_ms": of("cold"),
        "json_answer": engine.answer,
        "path": engine.path,
    }
    return found | ({"forced_ms": of("forced")} if of("forced") else {})


def floor(ours, peaks):
    """The least that a token takes here: what it reads at what this core reads, over and over, out of
    as many bytes; what a prompt multiplies at the peak of its instructions."""
    found = {"decode_ms": {}, "prefill_tok_s": round(peaks["int8"] / int(ours.ask("work 1")[3]) * 1e9, 1)}
    for depth in (8, 512, 2048):
        body, head, cache, _ = map(int, ours.ask(f"work {depth}"))
        found["decode_ms"][str(depth)] = round((body + head + cache) / peaks["memory_gb_s"] / 1e6, 3)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--engine", required=True, help="benches/language.rs, built")
    parser.add_argument("--weights", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--out", type=Path, default=Path("target/bench"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--path", action="append", help="instruction sets of ours to measure; else the best")
    parser.add_argument("--smoke", action="store_true", help="a round of little, to see that it runs: no figures")
    args = parser.parse_args()
    if args.smoke:
        args.out, args.rounds = args.out / "smoke", 1
    work = args.out / "language"
    work.mkdir(parents=True, exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if key not in ("LD_LIBRARY_PATH", "PYTHONPATH")}
    reblocked = work / f"{args.weights.stem}.as-q4_0.gguf"
    reblock.as_q4_0(args.weights, reblocked)
    ours = [
        Engine(
            "ours" if path is None else f"ours, {path}",
            [args.engine, "serve", args.weights, CONTEXT],
            args.core,
            environment | ({"EDGE_REASONER_KERNELS": path} if path else {}),
        )
        for path in args.path or [None]
    ]
    llama = [sys.executable, HERE / "llama.py"]
    peers = [
        Engine("llama.cpp, as packaged", [*llama, args.weights, CONTEXT], args.core, environment),
        Engine("llama.cpp, Q4_0", [*llama, reblocked, CONTEXT], args.core, environment),
    ]
    engines, asked = ours + peers, question(ours[0])
    for engine in ours:
        engine.ask("schema " + json.dumps(SCHEMA))
    for engine in peers:
        engine.ask("grammar " + json.dumps(GRAMMAR))
    for engine in engines:
        engine.question(asked)
        engine.ask("prefill 32 1")
    read = sum(map(int, ours[0].ask("work 0")[:2]))
    command = ["taskset", "-c", str(args.core), args.engine, "probe", str(read)]
    probe = lambda: json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    load, peaks = os.getloadavg()[0], probe()
    for number in range(args.rounds):
        once(engines, args.smoke, number == 0)
        # Of several: what the machine lends differs from second to second.
        again = probe()
        peaks = {key: max(peaks[key], again[key]) for key in peaks}
    for engine in engines:
        engine.end = int(engine.ask("memory")[0])
    for engine in engines:
        engine.time("cold 8", f"cold 8 {1 if args.smoke else 5}")
    report = {
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "core": args.core,
            "load": round(load, 2),
            "peaks": peaks,
            "date": time.strftime("%Y-%m-%d"),
        },
        "model": {"file": args.weights.name, "sha256": ours[0].sum, "context": CONTEXT},
        "question": dict(zip(["prefix", "new", "opener", "cue", "labels"], map(len, asked), strict=True)),
        "rows": {engine.name: row(engine) for engine in engines},
        "floor": floor(ours[0], peaks),
    }
    for engine in engines:
        engine.close()
    (args.out / "language.json").write_text(json.dumps(report, indent=2))
    show.table(report, args.out / "language.md")
    show.picture(report, args.out / "language.svg")
    print((args.out / "language.md").read_text())


if __name__ == "__main__":
    main()
