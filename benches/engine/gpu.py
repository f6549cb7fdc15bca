"""The engine wgpu beside the packed engine and ONNX Runtime's CUDA provider, the same weights and
window, one run, alternating: target/bench/gpu.json, gpu.md and gpu.svg. `make bench-gpu` calls it.

Of every size and batch, a process per engine waits in a pipe; in every round each runs its share.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import graph
import show_gpu
from run import Server, machine

# Largest difference of a probability from packed_f32: proof that the same model runs.
TOLERANCE = {"f32": 1e-3, "f16": 0.05, "int8": 0.12}


def gpus():
    """What nvidia-smi says of the first GPU; nothing where there is none."""
    query = "--query-gpu=name,driver_version,memory.used,clocks.sm,temperature.gpu"
    try:
        done = subprocess.run(["nvidia-smi", query, "--format=csv,noheader,nounits"], stdout=subprocess.PIPE)
        name, driver, used, clock, heat = done.stdout.decode().splitlines()[0].split(", ")
        return {"name": name, "driver": driver, "used_mib": int(used), "sm_mhz": int(clock), "celsius": int(heat)}
    except (OSError, IndexError, ValueError):
        return {}


def resident(process):
    """Resident memory of a process, MiB."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return None


class Contest:
    """The engines on one bundle and one batch."""

    def __init__(self, folder, rows, args):
        self.folder, self.rows, self.args = folder, rows, args
        self.bundle = graph.Bundle(folder)
        self.servers, self.missing, self.seen = [], {}, {}
        for name, command in self.commands():
            before = gpus().get("used_mib", 0)
            try:
                server = Server(name, command, args.cores, args.environment)
            except (OSError, RuntimeError) as error:
                self.missing[name] = str(error)
                print(f"{folder.name} x {rows}: {name} does not run: {error}", file=sys.stderr)
                continue
            load, first = (float(ms) for ms in re.findall(r"([\d.]+) ms", server.ready))
            self.servers.append(server)
            self.seen[name] = {
                "load_ms": load,
                "first_ms": first,
                "rss_mib": resident(server.process),
                "gpu_mib": gpus().get("used_mib", 0) - before,
            }

    def commands(self):
        serve = [self.args.engine, "serve"]
        rows = [str(self.rows)]
        for name, engine in self.args.wgpu.items():
            yield name, [*serve, engine, self.folder, *rows]
        yield "packed_int8", [*serve, "packed_int8", self.folder, *rows]
        yield "packed_f32", [*serve, "packed_f32", self.folder, *rows]
        for name, float in (("cuda_f32", np.float32), ("cuda_f16", np.float16)):
            model = self.folder / f"batch{self.rows}_{name[-3:]}.onnx"
            if not model.exists():
                graph.export(self.bundle, model, self.rows, float, last_only=True)
            script = Path(__file__).with_name("ort_cuda.py")
            yield name, [sys.executable, script, model, self.folder / "window.bin", *rows, name[-3:]]

    def probabilities(self, server):
        values = np.array(server.ask("outputs"))
        if server.name.startswith("packed"):
            return values.reshape(-1, self.bundle.labels)
        values = values.reshape(-1, self.bundle.outputs)
        return self.bundle.probabilities(values, self.bundle.temperatures[-1])

    def run(self):
        exact = next(server for server in self.servers if server.name == "packed_f32")
        exact = self.probabilities(exact)
        for server in self.servers:
            apart = float(np.abs(self.probabilities(server) - exact).max())
            self.seen[server.name]["from_packed_f32"] = apart
            if not apart <= TOLERANCE[server.name.rsplit("_", 1)[-1]]:
                raise SystemExit(f"{server.name} is {apart} from packed_f32: not the same model")
        share = {}
        for server in self.servers:
            once = float(np.median(server.ask("run 12")))
            share[server.name] = max(3, int(self.args.share_ms * 1e3 / once))
        for _ in range(self.args.rounds):
            for server in self.servers:
                server.times += server.ask(f"run {share[server.name]}")
        for server in self.servers:
            self.seen[server.name] |= quantiles(server.times)
            server.close()
        return {"engines": self.seen, "missing": self.missing}


def quantiles(times):
    return {
        "median_us": round(float(np.median(times)), 1),
        "p99_us": round(float(np.quantile(times, 0.99)), 1),
        "most_us": round(float(np.max(times)), 1),
        "runs": len(times),
    }


def exits(folder, args):
    """Median from a window to each exit at batch 1, every exit read as the policy `fastest` does,
    and to the last in one go as `best` does."""
    found = {}
    for name, engine in {**args.wgpu, "packed_int8": "packed_int8", "flex": "flex"}.items():
        command = [args.engine, "serve", engine, folder]
        try:
            server = Server(name, command, args.cores, args.environment)
        except (OSError, RuntimeError) as error:
            print(f"{folder.name}: {name} does not run: {error}", file=sys.stderr)
            continue
        server.ask("run 100")
        found[name] = {
            "exits_us": server.ask("exits 200"),
            "last_us": round(float(np.median(server.ask("last 200"))), 1),
        }
        server.close()
    return found


def steady(folder, args):
    """One engine for minutes on end: quantiles, clock, heat and memory of every half minute."""
    server = Server("wgpu", [args.engine, "serve", args.wgpu["wgpu_f32"], folder], args.cores, args.environment)
    minutes, begun = [], time.monotonic()
    while time.monotonic() - begun < args.steady:
        times, until = [], time.monotonic() + 30
        while time.monotonic() < until:
            times += server.ask("last 200")
        minutes.append(quantiles(times) | gpus() | {"rss_mib": resident(server.process)})
        print(f"{time.monotonic() - begun:4.0f} s {minutes[-1]}", flush=True)
    server.close()
    return minutes


def starts(folder, args):
    """Time to load and to a first answer, with nothing tuned before and with what the first start left."""
    found = []
    with tempfile.TemporaryDirectory() as cache:
        environment = args.environment | {"XDG_CACHE_HOME": cache}
        for _ in range(2):
            command = [args.engine, "serve", args.wgpu["wgpu_f32"], folder]
            server = Server("wgpu", command, args.cores, environment)
            found.append([float(ms) for ms in re.findall(r"([\d.]+) ms", server.ready)])
            server.close()
    return dict(zip(("untuned_ms", "tuned_ms"), found))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--engine", required=True, help="benches/engine.rs, built with wgpu")
    parser.add_argument("--out", type=Path, default=Path("target/bench"))
    parser.add_argument("--device", default="any", help="as wgpu.device")
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 4, 16, 64])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--share-ms", type=float, default=20)
    parser.add_argument("--large", action="store_true", help="S5 and S6 too")
    parser.add_argument("--steady", type=float, default=0, help="seconds of one bundle on end, besides")
    parser.add_argument("--only", nargs="*", help="sizes and bundles to measure; else all")
    parser.add_argument("--smoke", action="store_true", help="one bundle and round, to see that it runs: no figures")
    args = parser.parse_args()
    if args.smoke:
        args.out, args.rounds, args.batches, args.only = args.out / "smoke", 1, [1], ["wall_following"]
    args.cores = os.sched_getaffinity(0)
    args.environment = dict(os.environ)
    wgpu = "wgpu" if args.device == "any" else f"wgpu_{args.device}"
    args.wgpu = {"wgpu_f32": wgpu, "wgpu_f16": f"{wgpu}_f16"}
    work = args.out / "gpu"
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run([args.engine, "export", work], check=True)
    if args.large:
        subprocess.run([args.engine, "export-large", work], check=True)
    report = {"machine": machine({}, None) | {"gpu": gpus()}, "sizes": {}}
    for folder in sorted(path for path in work.iterdir() if (path / "model.yaml").exists()):
        if args.only and folder.name not in args.only:
            continue
        bundle = graph.Bundle(folder)
        graph.forget_another(folder)
        size = {"architecture": bundle.sizes, "starts": starts(folder, args), "exits": exits(folder, args)}
        size["batches"] = {rows: Contest(folder, rows, args).run() for rows in args.batches}
        report["sizes"][folder.name] = size
        if args.steady:
            size["steady"] = steady(folder, args)
        (args.out / "gpu.json").write_text(json.dumps(report, indent=2))
        print(f"{folder.name} done", flush=True)
    show_gpu.table(report, args.out / "gpu.md")
    show_gpu.picture(report, args.out / "gpu.svg")
    print((args.out / "gpu.md").read_text())


if __name__ == "__main__":
    main()
