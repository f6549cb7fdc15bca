"""A bundle as ONNX, in f32 and in the INT8 of each runtime's own tools."""

import hashlib
import json
import math
import platform
import struct
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import helper, numpy_helper

OPSET = 20


class Bundle:
    """Sizes, temperatures and tensors of a bundle's folder."""

    def __init__(self, folder):
        manifest = yaml.safe_load((folder / "model.yaml").read_text())
        stored = manifest["weights"].get("precision", "f32")
        if stored != "f32":
            raise SystemExit(f"{folder}: its weights are {stored}; name a bundle with f32 weights")
        self.sizes = manifest["architecture"]
        self.labels = len(manifest["labels"])
        # One output per label, or per bin of the free way, each of one label.
        bins = manifest.get("bins")
        starts = [0.0, *bins["edges_m"]] if bins else []
        label = lambda start: sum(start < bound for bound in bins["bounds_m"])
        self.label_of = [label(start) for start in starts] or list(range(self.labels))
        self.outputs = len(self.label_of)
        self.temperatures = [exit["temperature"] for exit in manifest["exits"]]
        raw = (folder / manifest["weights"]["file"]).read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + length])
        header.pop("__metadata__", None)
        self.tensors = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            values = np.frombuffer(raw[8 + length + begin : 8 + length + end], "<f4")
            self.tensors[name] = values.reshape(entry["shape"])

    def probabilities(self, logits, temperatures):
        """Of the labels, `[..., labels]`, from logits `[..., outputs]`."""
        values = logits / temperatures
        values = np.exp(values - values.max(axis=-1, keepdims=True))
        values = values / values.sum(axis=-1, keepdims=True)
        return values @ np.eye(self.labels, dtype=values.dtype)[self.label_of]


class Graph:
    """Nodes one after the other, each with one output."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, values, name=None):
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind, *inputs, **attributes):
        output = f"{kind}_{len(self.nodes)}"
        name = attributes.pop("to", output)
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=output, **attributes))
        return name


def export(bundle, file, batch=1, float=np.float32, last_only=False):
    """The forward to every exit, the last block's newest frame only, as the burn modules have it."""
    sizes, graph = bundle.sizes, Graph()
    tensors = {name: values.astype(float) for name, values in bundle.tensors.items()}
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(float))
    frames, heads = sizes["frames"], sizes["heads"]
    channels = sizes.get("head_width", sizes["width"] // heads)
    inner = heads * channels

    def linear(x, name, to=None):
        product = graph.node("MatMul", x, graph.constant(tensors[f"{name}.weight"]))
        more = {"to": to} if to else {}
        return graph.node("Add", product, graph.constant(tensors[f"{name}.bias"]), **more)

    def norm(x, name):
        gain, shift = (graph.constant(tensors[f"{name}.{part}"]) for part in ("gamma", "beta"))
        return graph.node("LayerNormalization", x, gain, shift, epsilon=1e-5, axis=-1)

    def newest(x):
        # From, to, and the axis: frames.
        bounds = (graph.constant(np.array([at], np.int64)) for at in (frames - 1, frames, 1))
        return graph.node("Slice", x, *bounds)

    def in_heads(x, rows, order):
        shape = graph.constant(np.array([batch, rows, heads, channels], np.int64))
        return graph.node("Transpose", graph.node("Reshape", x, shape), perm=order)

    stream = linear("window", "embed")
    stream = graph.node("Add", stream, graph.constant(tensors["position"][None]))
    outputs = []
    for block in range(sizes["depth"]):
        last = block + 1 == sizes["depth"]
        name = f"blocks.{block}."
        qkv = linear(norm(stream, name + "attention_norm"), name + "qkv")
        parts = [f"{part}_{block}" for part in "qkv"]
        split = graph.constant(np.array([inner] * 3, np.int64))
        graph.nodes.append(helper.make_node("Split", [qkv, split], parts, axis=2))
        q, k, v = parts
        rows = frames
        if last and frames > 1:
            q, stream, rows = newest(q), newest(stream), 1
        q = in_heads(q, rows, [0, 2, 1, 3])
        k = in_heads(k, frames, [0, 2, 3, 1])
        v = in_heads(v, frames, [0, 2, 1, 3])
        scale = graph.constant(np.array(1 / math.sqrt(channels), float))
        scores = graph.node("Mul", graph.node("MatMul", q, k), scale)
        seen = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), v)
        shape = graph.constant(np.array([batch, rows, inner], np.int64))
        seen = graph.node("Reshape", graph.node("Transpose", seen, perm=[0, 2, 1, 3]), shape)
        stream = graph.node("Add", stream, linear(seen, name + "output"))
        hidden = graph.node("Gelu", linear(norm(stream, name + "ffn_norm"), name + "expand"))
        stream = graph.node("Add", stream, linear(hidden, name + "contract"))
        read = stream if last else newest(stream)
        if last_only and not last:
            continue
        exit = f"exit_{block}"
        linear(norm(read, f"exits.{block}.norm"), f"exits.{block}.head", to=exit)
        outputs.append(helper.make_tensor_value_info(exit, kind, [batch, 1, bundle.outputs]))
    window = helper.make_tensor_value_info("window", kind, [batch, frames, sizes["features"]])
    made = helper.make_graph(graph.nodes, "encoder", [window], outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(onnx.shape_inference.infer_shapes(model), file)


def saturates():
    """Whether ONNX Runtime's products of unsigned and signed bytes overflow here: on an x86-64 without
    VNNI, where its documentation asks for weights of seven bits (`reduce_range`)."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[-1].split("\n", 1)[0].split()
    return not {"avx512_vnni", "avx_vnni"} & set(flags)


def export_all(bundle, folder, windows):
    """`model.onnx`, `model_int8.onnx` (ONNX Runtime, dynamic), `model_int8.xml` (OpenVINO, NNCF)."""
    import nncf
    import openvino
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    f32 = folder / "model.onnx"
    export(bundle, f32)
    prepared = folder / "prepared.onnx"
    quant_pre_process(f32, prepared, skip_symbolic_shape=True)
    quantize_dynamic(
        prepared,
        folder / "model_int8.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
        reduce_range=saturates(),
    )
    model = openvino.convert_model(f32)
    quantized = nncf.quantize(
        model,
        nncf.Dataset([{"window": window[None]} for window in windows]),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(windows),
    )
    openvino.save_model(quantized, folder / "model_int8.xml", compress_to_fp16=False)


def forget_another(folder):
    """Removes what was exported from another bundle that stood in this folder."""
    digest = hashlib.sha256(b"7 bits" if saturates() else b"")
    for file in ("model.yaml", "weights.safetensors"):
        digest.update((folder / file).read_bytes())
    stamp = folder / "exported_from"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    for pattern in ("*.onnx", "model_int8.xml", "model_int8.bin"):
        for file in folder.glob(pattern):
            file.unlink()
    stamp.write_text(digest.hexdigest())


def load_window(folder, bundle):
    values = np.fromfile(Path(folder) / "window.bin", "<f4")
    return values.reshape(bundle.sizes["frames"], bundle.sizes["features"])
