"""A bundle's weights under ONNX Runtime, from serialized messages to probabilities.

The window in between is our own, compiled (examples/window.rs): what no window in Python beats.
"""

import ctypes
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import yaml

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))

import graph  # noqa: E402


class Window:
    """Frames of all inputs, a period apart, the newest at the trigger. One per process."""

    def __init__(self, library: Path, folder: Path, spec: dict) -> None:
        self.library = ctypes.CDLL(str(library))
        self.library.window_open.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        self.library.window_open.restype = ctypes.c_size_t
        self.library.window_push.argtypes = [ctypes.c_uint8, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int64]
        self.library.window_push.restype = ctypes.c_bool
        self.library.window_assemble.argtypes = [ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t]
        self.library.window_assemble.restype = ctypes.c_bool
        self.sources = {entry["source"]: number for number, entry in enumerate(spec["inputs"])}
        path = str(folder).encode()
        values = self.library.window_open(path, len(path))
        if values == 0:
            raise SystemExit(f"{library} does not open the window of {folder}")
        self.out = np.zeros((spec["frames"], values // spec["frames"]), np.float32)

    def push(self, source: str, message: bytes, arrival_ns: int) -> bool:
        return self.library.window_push(self.sources[source], message, len(message), arrival_ns)

    def assemble(self, now_ns: int) -> np.ndarray:
        """`[frames, features]`, oldest first; overwritten by the next call."""
        self.library.window_assemble(now_ns, self.out.ctypes.data, self.out.size)
        return self.out


class Model:
    """Reads the deepest exit: what one exports who wants the model's answer."""

    def __init__(self, library: Path, folder: Path, exported: Path) -> None:
        manifest = yaml.safe_load((folder / "model.yaml").read_text())
        bundle = graph.Bundle(folder)
        exported.parent.mkdir(parents=True, exist_ok=True)
        graph.export(bundle, exported)
        options = onnxruntime.SessionOptions()
        # For a model this small a second thread costs more than it brings.
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(exported), options, providers=["CPUExecutionProvider"]
        )
        self.deepest = [f"exit_{len(bundle.temperatures) - 1}"]
        self.bundle = bundle
        self.labels = manifest["labels"]
        self.window = Window(library, folder, manifest["window"])
        self.probabilities(0)

    def probabilities(self, now_ns: int) -> np.ndarray:
        """Per label, of the window as seen at `now_ns`."""
        window = self.window.assemble(now_ns)
        logits = self.session.run(self.deepest, {"window": window[None]})[0].reshape(-1)
        return self.bundle.probabilities(logits, self.bundle.temperatures[-1])
