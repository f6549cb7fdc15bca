"""Writes `sizes.json`: bytes of GGUF files that the package gguf wrote, of small models of every architecture
in every format, with rows that are multiples of 256 and rows that are not. The tensors and the mixtures'
rules are written here a second time, apart from `src/plan`.

    pip install gguf numpy && python sizes.py
"""

import json
import tempfile
from pathlib import Path

import gguf
import numpy
from gguf import GGMLQuantizationType as Type

FORMATS = ["F16", "Q8_0", "Q5_K_M", "Q4_K_M", "Q4_0"]
SMALLER = {Type.Q4_K: Type.Q5_0, Type.Q5_K: Type.Q5_1, Type.Q6_K: Type.Q8_0}


def better(layer, layers):
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


class File:
    def __init__(self, path, arch, format):
        self.writer, self.arch, self.format, self.bytes = gguf.GGUFWriter(path, arch), arch, format, 0
        self.base = {"Q5_K_M": Type.Q5_K, "Q4_K_M": Type.Q4_K}.get(format) or Type[format]

    def matrix(self, name, inputs, outputs, mixed=None):
        kind = mixed if mixed and self.format not in ("F16", "Q8_0") else self.base
        if inputs % gguf.GGML_QUANT_SIZES[kind][0]:
            kind = SMALLER[kind]
        block, size = gguf.GGML_QUANT_SIZES[kind]
        data = numpy.zeros((outputs, inputs // block * size), dtype=numpy.uint8)
        self.bytes += data.nbytes
        self.writer.add_tensor(name, data, raw_dtype=kind)

    def vector(self, name, length):
        self.bytes += 4 * length
        self.writer.add_tensor(name, numpy.zeros(length, dtype=numpy.float32))


def write(path, arch, format, layers, width, ffn, heads, kv, head, vocab):
    file = File(path, arch, format)
    writer = file.writer
    for add, value in [
        (writer.add_block_count, layers), (writer.add_embedding_length, width), (writer.add_head_count, heads),
        (writer.add_feed_forward_length, ffn), (writer.add_head_count_kv, kv), (writer.add_context_length, 2048),
        (writer.add_key_length, head), (writer.add_layer_norm_rms_eps, 1e-5),
    ]:
        add(value)
    mixture = format in ("Q4_K_M", "Q5_K_M")
    fused = {"Q4_K_M": Type.Q5_K, "Q5_K_M": Type.Q6_K}.get(format)
    tied = arch not in ("phi2", "phi3")
    queries, keys = heads * head, kv * head
    file.matrix("token_embd.weight", width, vocab, Type.Q6_K if tied else None)
    for n in range(layers):
        at = f"blk.{n}."
        more = Type.Q6_K if mixture and better(n, layers) else None
        file.vector(at + "attn_norm.weight", width)
        if not tied:
            file.matrix(at + "attn_qkv.weight", width, queries + 2 * keys, fused)
        else:
            file.matrix(at + "attn_q.weight", width, queries)
            file.matrix(at + "attn_k.weight", width, keys)
            file.matrix(at + "attn_v.weight", width, keys, more)
        file.matrix(at + "attn_output.weight", queries, width)
        if arch == "phi2":
            for part, length in [("attn_norm", width), ("attn_qkv", queries + 2 * keys), ("attn_output", width),
                                 ("ffn_up", ffn), ("ffn_down", width)]:
                file.vector(f"{at}{part}.bias", length)
        else:
            file.vector(at + "ffn_norm.weight", width)
        if arch == "qwen2":
            for part, length in [("q", queries), ("k", keys), ("v", keys)]:
                file.vector(f"{at}attn_{part}.bias", length)
        if arch in ("qwen3", "gemma3"):
            file.vector(at + "attn_q_norm.weight", head)
            file.vector(at + "attn_k_norm.weight", head)
        if arch.startswith("gemma"):
            file.vector(at + "post_attention_norm.weight", width)
            file.vector(at + "post_ffw_norm.weight", width)
        if tied:
            file.matrix(at + "ffn_gate.weight", width, ffn)
        file.matrix(at + "ffn_up.weight", width, 2 * ffn if arch == "phi3" else ffn)
        file.matrix(at + "ffn_down.weight", ffn, width, more)
    file.vector("output_norm.weight", width)
    if not tied:
        file.matrix("output.weight", width, vocab, Type.Q6_K)
    if arch == "phi2":
        file.vector("output_norm.bias", width)
        file.vector("output.bias", vocab)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file.bytes


def main():
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.gguf"
        for arch in ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi2", "phi3"]:
            for format in FORMATS:
                for width, heads, head in [(512, 8, 64), (576, 9, 64)]:
                    kv = heads if arch == "phi2" else heads // 4 if heads % 4 == 0 else 3
                    sizes = dict(layers=9, width=width, ffn=1024, heads=heads, kv=kv, head=head, vocab=4000)
                    written = write(str(path), arch, format, **sizes)
                    rows.append({"arch": arch, "format": format, **sizes,
                                 "tensor_bytes": written, "file_bytes": path.stat().st_size})
    lines = ",\n".join(json.dumps(row) for row in rows)
    Path(__file__).with_suffix(".json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
