"""Every engine and its peers on the same weights and the same window, one run, alternating, one
pinned core: target/bench/engine.json, engine.md and engine.svg. `make bench-engine` calls it.

A process per engine waits in a pipe; in every round each runs its share of inferences (about 15 ms,
at least 8), so that whatever disturbs the machine disturbs all alike.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "benches"), str(ROOT / "benches" / "live")]

import agree  # noqa: E402
import block  # noqa: E402
import graph  # noqa: E402
import show  # noqa: E402
from machine import processor  # noqa: E402

OURS = ["packed_int8", "packed_bf16", "packed_f32", "flex", "ndarray"]
# Name, runtime, model file.
PEERS = [
    ("ort_f32", "ort", "model.onnx"),
    ("ort_int8", "ort", "model_int8.onnx"),
    ("openvino_f32", "openvino_f32", "model.onnx"),
    ("openvino_bf16", "openvino_bf16", "model.onnx"),
    ("openvino_int8", "openvino_f32", "model_int8.xml"),
    ("rten", "rten", "model.onnx"),
    ("tract", "tract", "model.onnx"),
]
# Largest difference of a probability from flex: proof that the same model runs.
TOLERANCE = {"f32": 1e-4, "bf16": 0.06, "int8": 0.12}


class Server:
    """An engine that waits for orders on these cores."""

    def __init__(self, name, command, cores, environment):
        self.name, self.times, self.cold = name, [], []
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        self.ready = self.process.stdout.readline()
        if not self.ready.startswith("ready"):
            error = self.process.stderr.read().strip().splitlines()
            raise RuntimeError(error[-1] if error else "ended without a word")

    def ask(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return [float(word) for word in self.process.stdout.readline().split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def commands(folder, bundle, args):
    """Name, command and environment of every engine that serves a bundle."""
    libraries = Path(np.__file__).parents[1]
    newest = lambda pattern: str(max(libraries.glob(pattern), default=""))
    environment = {
        key: value for key, value in os.environ.items() if key not in ("LD_LIBRARY_PATH", "PYTHONPATH")
    }
    peers = environment | {
        "ORT_DYLIB_PATH": newest("onnxruntime/capi/libonnxruntime.so.*"),
        "OPENVINO_LIBRARY": newest("openvino/libs/libopenvino_c.so.*"),
    }
    sizes = bundle.sizes
    commands = [(name, [args.engine, "serve", name, folder], environment) for name in OURS]
    for name, runtime, model in PEERS:
        window = [folder / "window.bin", str(sizes["frames"]), str(sizes["features"])]
        commands.append((name, [args.peers, runtime, folder / model, *window], peers))
    return commands


def start(folder, bundle, args):
    """Servers by name, and why those that are missing are."""
    servers, missing = [], {}
    for name, command, environment in commands(folder, bundle, args):
        try:
            servers.append(Server(name, command, {args.core}, environment))
        except (OSError, RuntimeError) as error:
            missing[name] = str(error)
            print(f"{folder.name}: {name} does not run: {error}", file=sys.stderr)
    return servers, missing


def check(servers, bundle, missing):
    """The largest difference of a probability from flex, by name. Of ours another model is refused; a
    peer that answers otherwise is left out, and `missing` says so."""

    def probabilities(server):
        values = np.array(server.ask("outputs")).reshape(bundle.sizes["depth"], -1)
        if server.name in OURS:
            return values
        return bundle.probabilities(values, np.array(bundle.temperatures)[:, None])

    found = {server.name: probabilities(server) for server in servers}
    apart = {name: float(np.abs(values - found["flex"]).max()) for name, values in found.items()}
    for server in list(servers):
        name, difference = server.name, apart[server.name]
        if difference <= TOLERANCE.get(name.rsplit("_", 1)[-1], TOLERANCE["f32"]):
            continue
        if name in OURS:
            raise SystemExit(f"{name} is {difference:.3g} from flex: not the same model")
        missing[name] = f"its probabilities are up to {difference:.3g} from flex's: it does not run this model right here"
        print(f"{name} is left out: {missing[name]}", file=sys.stderr)
        servers.remove(server)
        server.close()
    return apart


def floor_us(sizes, peaks):
    """The least any forward of this model takes here: its multiply-adds at the measured peaks, the
    products in INT8, embedding and attention in f32, the last block's newest frame only."""
    frames, features, width = sizes["frames"], sizes["features"], sizes["width"]
    full, ffn = sizes["depth"] - 1, sizes["ffn"]
    block = 4 * width * width + 2 * width * ffn
    products = full * frames * block + 2 * frames * width * width + block - 2 * width * width
    attention = full * 2 * frames * frames * width + 2 * frames * width
    floats = attention + frames * features * width
    return (products / peaks["int8"] + floats / peaks["f32"]) / 1e3


def exported(folder):
    """A bundle whose folder has what every runtime reads."""
    bundle = graph.Bundle(folder)
    graph.forget_another(folder)
    if not (folder / "model_int8.xml").exists():
        random = np.random.default_rng(1)
        window = graph.load_window(folder, bundle)
        windows = [window] + [random.permutation(window, axis=1) for _ in range(31)]
        graph.export_all(bundle, folder, windows)
    return bundle


def measure(folder, args, peaks):
    bundle = exported(folder)
    servers, missing = start(folder, bundle, args)
    apart = check(servers, bundle, missing)
    share = {}
    for server in servers:
        once = float(np.median(server.ask("run 20")))
        share[server.name] = max(8, int(15e3 / once))
    for _ in range(args.rounds):
        for server in servers:
            server.times += server.ask(f"run {share[server.name]}")
    for server in servers:
        server.cold = server.ask("cold 40")
        server.close()
    results = {
        server.name: {
            "median_us": round(float(np.median(server.times)), 2),
            "p99_us": round(float(np.quantile(server.times, 0.99)), 2),
            "cold_us": round(float(np.median(server.cold)), 2),
            "runs": len(server.times),
            "from_flex": apart[server.name],
        }
        for server in servers
    }
    median = lambda name: results[name]["median_us"]
    best_peer = min((name for name in results if not name.startswith("packed")), key=median)
    ours = min((name for name in results if name.startswith("packed")), key=median)
    floor = floor_us(bundle.sizes, peaks) if {"int8", "f32"} <= peaks.keys() else None
    return {
        "architecture": bundle.sizes,
        "floor_us": floor and round(floor, 2),
        "results": results,
        "missing": missing,
        "best_peer": best_peer,
        "best_of_ours": ours,
        "ratio": round(median(best_peer) / median(ours), 2),
        "times_floor": floor and round(median(ours) / floor, 2),
    }


def machine(peaks, core):
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    family = [line.split(":")[1].strip() for line in lines if line.startswith(("cpu family", "model\t"))]
    return {
        "processor": processor(),
        "family_model": "/".join(family[:2]) or platform.machine(),
        "cores": os.cpu_count(),
        "core": core,
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
        "peaks_mac_per_ns": peaks,
        "int8_of_ort": "7-bit weights: no VNNI here" if graph.saturates() else "8-bit weights",
        "date": time.strftime("%Y-%m-%d"),
    }


def ids(engine):
    """The bundles that ship: task to the digest in their id."""
    said = json.loads(subprocess.run([engine, "ids"], check=True, stdout=subprocess.PIPE).stdout)
    return {task: name.rsplit("-", 1)[1] for task, name in sorted(said.items())}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--engine", required=True, help="benches/engine.rs, built")
    parser.add_argument("--peers", required=True, help="benches/peers, built")
    parser.add_argument("--out", type=Path, default=Path("target/bench"))
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data", help="recordings")
    parser.add_argument("--only", nargs="*", help="sizes and bundles to measure; else all")
    parser.add_argument("--smoke", action="store_true", help="one round of a bundle, to see that it runs: no figures")
    args = parser.parse_args()
    if args.smoke:
        args.out, args.rounds, args.only = args.out / "smoke", 1, ["clearance"]
    work = args.out / "engine"
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run([args.engine, "export", work], check=True)
    probe = ["taskset", "-c", str(args.core), args.engine, "probe"]
    peaks = json.loads(subprocess.run(probe, check=True, stdout=subprocess.PIPE).stdout)
    report = {"machine": machine(peaks, args.core), "bundles": ids(args.engine), "sizes": {}}
    for folder in sorted(path for path in work.iterdir() if (path / "model.yaml").exists()):
        if not args.only or folder.name in args.only:
            report["sizes"][folder.name] = size = measure(folder, args, peaks)
            print(f"{folder.name}: {size['ratio']} times {size['best_peer']}", flush=True)
    if args.smoke or not args.only:
        tasks = args.only or agree.TASKS
        report["agreement"] = agree.agreement(args.engine, ROOT, work, args.data, tasks)
    (args.out / "engine.json").write_text(json.dumps(report, indent=2))
    show.table(report, args.out / "engine.md")
    show.picture(report, args.out / "engine.svg")
    text = (args.out / "engine.md").read_text()
    if args.smoke or not args.only:
        block.write(args.out, "bench-engine", report["bundles"], text)
        block.write(args.out, "bench-engine-in-short", report["bundles"], show.in_short(report))
    print(text)


if __name__ == "__main__":
    main()
