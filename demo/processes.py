"""The processes of a demo: started together, ended together, their output kept in files."""

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class Trouble(Exception):
    """Something the user has to know; the demo ends with it."""


def free_domain() -> int:
    """A ROS_DOMAIN_ID whose DDS ports nobody uses here, so that other robots do not join the demo."""
    domains = list(range(1, 101))
    random.shuffle(domains)
    for domain in domains:
        if all(_port_free(7400 + 250 * domain + offset) for offset in (0, 10, 11, 12, 13)):
            return domain
    raise Trouble("All ROS domains 1 to 100 are in use on this machine; name one with --domain.")


def _port_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _die_with_parent() -> None:
    """Linux ends the child when this process ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Processes:
    def __init__(self, logs: Path, env: dict[str, str]) -> None:
        self.logs = logs
        self.env = env
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: list[str]) -> None:
        with self.log(name).open("wb") as log:
            try:
                # A session of its own: Ctrl-C reaches this program only, which then ends them in order.
                self.running[name] = subprocess.Popen(
                    command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                    env=self.env, start_new_session=True, preexec_fn=_die_with_parent,
                )  # fmt: skip
            except OSError as error:
                raise Trouble(f"The {name} does not start: {error}") from error

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def ended(self, name: str) -> bool:
        """Whether it came to its end by itself. One that failed is trouble."""
        code = self.running[name].poll()
        if code is None:
            return False
        if code != 0:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise Trouble(f"The {name} ended with {how}.\n{self.last_lines(name)}")
        return True

    def last_lines(self, name: str, count: int = 12) -> str:
        text = self.log(name).read_text(errors="replace").splitlines()[-count:]
        if not text:
            return f"It left no output ({self.log(name)} is empty)."
        return f"Its last lines ({self.log(name)}):\n" + "\n".join(f"  | {line}" for line in text)

    def stop(self, *names: str, within_s: float = 5.0) -> None:
        """Ends these, or all: asked with SIGINT, insisted on after a while."""
        chosen = [self.running[n] for n in (names or tuple(self.running)) if n in self.running]
        for process in chosen:
            if process.poll() is None:
                _signal(process, signal.SIGINT)
        until = time.monotonic() + within_s
        for process in chosen:
            try:
                process.wait(max(0.05, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
