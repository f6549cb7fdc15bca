"""A bundle's weights under ONNX Runtime, from a message's window to probabilities."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import yaml

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))

import graph  # noqa: E402

from window import Window  # noqa: E402


class Model:
    """Reads the deepest exit: what one exports who wants the model's answer."""

    def __init__(self, folder: Path, exported: Path) -> None:
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
        self.temperature = bundle.temperatures[-1]
        self.labels = manifest["labels"]
        self.window = Window(manifest["window"])
        self.topics = manifest["topics"]
        self.probabilities(0)

    def probabilities(self, now_ns: int) -> np.ndarray:
        """Per label, of the window as seen at `now_ns`."""
        window = self.window.assemble(now_ns)
        logits = self.session.run(self.deepest, {"window": window[None]})[0].reshape(-1)
        powers = np.exp((logits - logits.max()) / self.temperature)
        return powers / powers.sum()
