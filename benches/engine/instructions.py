"""Instructions that one window through every exit takes, a figure for energy that no neighbour on
the machine disturbs: target/bench/instructions.{json,md}. `make bench-instructions` calls it.

Here, every engine as it runs here: a process is stepped through its instructions one by one
(ptrace), since virtual machines seldom have counters. Only its first thread is, in which all
engines compute. On other processors, the packed engine under QEMU's user-mode emulation: `avx2` is
an x86-64 without AVX-512, `neon` an aarch64. The count of a program with more windows, less the
count of one with fewer, so that loading is in neither.
"""

import argparse
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import run

PRECISIONS = ["packed_int8", "packed_bf16", "packed_f32"]
STEPPED = [*PRECISIONS, "flex", "ort_f32", "ort_int8"]
# Stepping takes seconds on the bundles, minutes on S2 and S3, longer on S4: on what it is done where
# --all is not given (the bundles by "").
IN_GOOD_TIME = dict.fromkeys(PRECISIONS, ("S1", "S2", "")) | {"flex": ("S1", ""), "ort_f32": ("S1",)}
LARGE = ("S1", "S2", "S3", "S4")
# From linux/ptrace.h.
SEIZE, INTERRUPT, SINGLESTEP = 0x4206, 0x4207, 9


def ptrace(request, process, data=0):
    call = ptrace.library.ptrace
    call.argtypes, call.restype = [ctypes.c_long] * 4, ctypes.c_long
    if call(request, process, 0, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace: {os.strerror(error)}")


ptrace.library = ctypes.CDLL(None, use_errno=True)


def steps_to_the_end(server, order):
    """Instructions from here to the end of a server that is given one last order."""
    process = server.process.pid
    ptrace(SEIZE, process)
    ptrace(INTERRUPT, process)
    _, status = os.waitpid(process, 0)
    server.process.stdin.write(order + "\n")
    server.process.stdin.close()
    steps = 0
    while os.WIFSTOPPED(status):
        stopped = os.WSTOPSIG(status)
        ptrace(SINGLESTEP, process, 0 if stopped == signal.SIGTRAP else stopped)
        _, status = os.waitpid(process, 0)
        steps += 1
    server.process.returncode = os.waitstatus_to_exitcode(status)
    if server.process.returncode:
        raise RuntimeError(f"{server.name} ended with {server.process.returncode} under ptrace")
    return steps


def stepped(name, command, environment, core):
    counts = []
    for order in ("run 0", "run 1"):
        server = run.Server(name, command, {core}, environment)
        server.ask("run 2")
        counts.append(steps_to_the_end(server, order))
    return counts[1] - counts[0]


def emulated(emulator, plugin, program, folder, sizes, precision):
    """The path taken, and its instructions."""
    counts = []
    for runs in (1, 11):
        # A CPU that has all QEMU can emulate.
        command = [emulator, "-cpu", "max", "-plugin", plugin, program, folder]
        command += [str(sizes["heads"]), precision, str(runs)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        counts.append(int(re.search(r"instructions: (\d+)", done.stderr)[1]))
    return done.stdout.strip(), (counts[1] - counts[0]) // 10


def here(folders, args):
    """`{engine: {size: instructions}}`."""
    found = {name: {} for name in STEPPED}
    for folder in folders:
        bundle = run.exported(folder)
        for name, command, environment in run.commands(folder, bundle, args):
            in_good_time = (folder.name if folder.name in LARGE else "") in IN_GOOD_TIME.get(name, ())
            left_out = [name, folder.name] in args.skip or name not in STEPPED or not (args.all or in_good_time)
            if left_out or (name not in run.OURS and not args.peers):
                continue
            begun = time.monotonic()
            try:
                count = stepped(name, command, environment, args.core)
            except (OSError, RuntimeError) as error:
                print(f"{folder.name} {name}: skipped: {error}", file=sys.stderr)
                continue
            found[name][folder.name] = count
            took = time.monotonic() - begun
            print(f"{folder.name} {name}: {count} ({took:.0f} s)", file=sys.stderr, flush=True)
    return found


def elsewhere(folders, args):
    """`{path: {engine: {size: instructions}}}`."""
    found = {}
    for emulator, program in args.emulate:
        if not shutil.which(emulator) or not Path(program).exists():
            print(f"{emulator}: skipped: needs qemu-user and {program}", file=sys.stderr)
            continue
        for folder in folders:
            sizes = run.graph.Bundle(folder).sizes
            for precision in PRECISIONS:
                path, count = emulated(emulator, args.plugin, program, folder, sizes, precision)
                found.setdefault(path, {}).setdefault(precision, {})[folder.name] = count
    return found


def table(title, sizes, engines):
    lines = [title, "", "| | " + " | ".join(sizes) + " |", "|---|" + "---:|" * len(sizes)]
    for name, counts in engines.items():
        cells = [f"{counts[size] / 1e3:.0f}" if size in counts else "-" for size in sizes]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines + [""]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--engine", required=True, help="benches/engine.rs, built")
    parser.add_argument("--peers", default="", help="benches/peers, built; without it ONNX Runtime is left out")
    parser.add_argument("--plugin", type=Path, help="benches/emulated/count.rs, built")
    parser.add_argument(
        "--emulate", nargs=2, action="append", default=[], metavar=("QEMU", "PROGRAM"),
        help="an emulator and benches/emulated, built for it",
    )
    parser.add_argument("--out", type=Path, default=Path("target/bench"))
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="*", help="sizes and bundles to count; else all")
    parser.add_argument(
        "--skip", nargs=2, action="append", default=[], metavar=("ENGINE", "SIZE"),
        help="one not to step: it would take long",
    )
    parser.add_argument("--all", action="store_true", help="step every engine on every model; takes hours")
    parser.add_argument("--smoke", action="store_true", help="one bundle and engine, to see that it runs: no figures")
    args = parser.parse_args()
    if args.smoke:
        args.out, args.only = args.out / "smoke", ["wall_following"]
        args.skip += [[name, "wall_following"] for name in STEPPED[1:]]
    work = args.out / "engine"
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run([args.engine, "export", work], check=True)
    folders = sorted(path for path in work.iterdir() if (path / "model.yaml").exists())
    folders = [folder for folder in folders if not args.only or folder.name in args.only]
    os.sched_setaffinity(0, {args.core})
    report = {
        "machine": run.machine({}, args.core),
        "bundles": run.ids(args.engine),
        "emulated": elsewhere(folders, args),
        "here": here(folders, args),
    }
    (args.out / "instructions.json").write_text(json.dumps(report, indent=2))
    sizes = [folder.name for folder in folders]
    machine = report["machine"]
    title = f"{machine['processor']} (family/model {machine['family_model']}), {machine['date']}"
    lines = ["Thousands of instructions of a window through every exit.", ""]
    lines += table(f"{title}:", sizes, report["here"])
    for path, engines in report["emulated"].items():
        lines += table(f"`{path}`, emulated:", sizes, engines)
    (args.out / "instructions.md").write_text("\n".join(lines))
    run.block.write(args.out, "bench-instructions", report["bundles"], "\n".join(lines[2:]))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
