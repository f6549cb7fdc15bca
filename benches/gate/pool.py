"""Several drives at a time, each process in a ROS domain of its own."""

import json
import multiprocessing
import os
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from pathlib import Path

from processes import Trouble, free_domain

from gate import picture
from gate.drive import run
from gate.results import Results


def trace_file(folder: Path, room: str, arm: str) -> Path:
    return folder / f"trace_{room}_{arm}.json".replace(" ", "_")


def prepare(domains: object) -> None:
    """Each process drives in a domain of its own."""
    os.environ["ROS_DOMAIN_ID"] = str(domains.get())


def drive_once(task: tuple) -> dict:
    drive, arm, seconds, noise, folder, pace = task
    name = f"{drive.name} {arm.name} {noise}".replace(" ", "_")
    shown = noise == 1 and drive.name in picture.SHOWN and arm.name in picture.ARMS
    try:
        result = run(drive, arm, seconds, noise, folder / "log" / name, trace=shown, pace=pace)
    except Trouble as trouble:
        raise Trouble(f"{drive.name}, {arm.name}, run {noise}: {trouble}") from trouble
    if shown:
        trace_file(folder, drive.name, arm.name).write_text(json.dumps(result.pop("trace")))
    return result


def drive_all(tasks: list[tuple], results: Results, parallel: int) -> None:
    """What is not there yet, two or so at a time; the first trouble ends it."""
    keyed = {Results.key(t[0], t[1], t[3], t[2], "pace" if t[5] else ""): t for t in tasks}
    missing = {key: task for key, task in keyed.items() if key not in results.found}
    print(f"{len(tasks)} drives, {len(tasks) - len(missing)} of them driven before", flush=True)
    if not missing:
        return
    context = multiprocessing.get_context("spawn")
    domains = context.Queue()
    chosen: set[int] = set()
    while len(chosen) < parallel:
        chosen.add(free_domain())
    for domain in chosen:
        domains.put(domain)
    with ProcessPoolExecutor(parallel, mp_context=context, initializer=prepare, initargs=(domains,)) as pool:
        waiting = {pool.submit(drive_once, task): key for key, task in missing.items()}
        done = 0
        while waiting:
            ended, _ = wait(waiting, timeout=1.0, return_when=FIRST_EXCEPTION)
            for future in [f for f in waiting if f.done()]:
                key = waiting.pop(future)
                try:
                    result = future.result()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
                drive, arm, _, noise, *_ = missing[key]
                results.keep(key, result, f"{drive.name}, {arm.name}, run {noise}")
                done += 1
                if done % 20 == 0:
                    print(f"{done} of {len(missing)}", flush=True)
