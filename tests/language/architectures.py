"""Writes `architectures.json`: logits that the package transformers computes, in float, for small
models of every architecture that our decoder runs. The weights come from a formula that the test in
`src/language/architectures.rs` knows too, so that logits are all that is kept.

    pip install torch transformers && python architectures.py
"""

import json
from pathlib import Path

import torch
import transformers

VOCABULARY, WIDTH, FFN, HEADS, KV, CONTEXT = 96, 64, 96, 4, 2, 64
TOKENS = [(7 * n * n + 11 * n + 3) % VOCABULARY for n in range(24)]
# Logits of what follows these tokens.
POSITIONS = [0, 7, 15, 23]
MASK = (1 << 64) - 1


def numbers(name, shape, scale, offset):
    """`offset + scale * r`, r in -1 to 1 from FNV-1a of the name and SplitMix64 of the place."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 & MASK
    count = 1
    for size in shape:
        count *= size
    out = torch.empty(count, dtype=torch.float32)
    for place in range(count):
        z = seed + (place + 1) * 0x9E3779B97F4A7C15 & MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        z ^= z >> 31
        out[place] = offset + scale * ((z >> 40) / 2.0**23 - 1.0)
    return out.reshape(shape)


def neighbours(weight, heads):
    """The order of rows in GGUF's llama, where RoPE turns neighbours: from that of transformers."""
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def halves(weight, heads):
    """Back."""
    shape = weight.shape
    return weight.reshape(heads, shape[0] // heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


class Case:
    """A model; `keys` are GGUF's metadata, `names` GGUF's tensors."""

    def __init__(self, name, arch, config, keys, layers=2, head=16, tied=True, gemma=False):
        self.name, self.arch, self.layers, self.head, self.gemma = name, arch, layers, head, gemma
        self.tensors, self.state = [], {}
        base = {
            "block_count": layers, "embedding_length": WIDTH, "feed_forward_length": FFN,
            "attention.head_count": HEADS, "attention.head_count_kv": KV, "context_length": CONTEXT,
        }
        if head != WIDTH // HEADS:
            base["attention.key_length"] = base["attention.value_length"] = head
        self.keys = {f"{arch}.{key}": value for key, value in {**base, **keys}.items()}
        self.model = None
        self.config = config
        self.tied = tied

    def put(self, gguf, to, shape, scale=0.25, offset=0.0, change=None):
        values = numbers(gguf, shape, scale, offset)
        self.tensors.append([gguf, list(reversed(shape)), scale, offset])
        if to:
            self.state[to] = change(values) if change else values
        return values

    def norm(self, gguf, to, size=WIDTH):
        # Gemma multiplies by one more than the weight; GGUF holds the sum.
        self.put(gguf, to, [size], 0.25, 1.0, (lambda w: w - 1.0) if self.gemma else None)


def fill(case, biased=False, head_norms=False, post_norms=False, llama=False, fused=False):
    queries, keys = HEADS * case.head, KV * case.head
    case.put("token_embd.weight", "model.embed_tokens.weight", [VOCABULARY, WIDTH], 0.5)
    for n in range(case.layers):
        g, h = f"blk.{n}.", f"model.layers.{n}."
        case.norm(g + "attn_norm.weight", h + "input_layernorm.weight")
        if fused:
            case.put(g + "attn_qkv.weight", h + "self_attn.qkv_proj.weight", [queries + 2 * keys, WIDTH])
        else:
            for letter, rows, heads in [("q", queries, HEADS), ("k", keys, KV), ("v", keys, 0)]:
                turn = (lambda w, heads=heads: halves(w, heads)) if llama and heads else None
                case.put(f"{g}attn_{letter}.weight", f"{h}self_attn.{letter}_proj.weight", [rows, WIDTH], change=turn)
                if biased:
                    case.put(f"{g}attn_{letter}.bias", f"{h}self_attn.{letter}_proj.bias", [rows])
        if head_norms:
            case.norm(g + "attn_q_norm.weight", h + "self_attn.q_norm.weight", case.head)
            case.norm(g + "attn_k_norm.weight", h + "self_attn.k_norm.weight", case.head)
        case.put(g + "attn_output.weight", h + "self_attn.o_proj.weight", [WIDTH, queries])
        if post_norms:
            case.norm(g + "post_attention_norm.weight", h + "post_attention_layernorm.weight")
            case.norm(g + "ffn_norm.weight", h + "pre_feedforward_layernorm.weight")
            case.norm(g + "post_ffw_norm.weight", h + "post_feedforward_layernorm.weight")
        else:
            case.norm(g + "ffn_norm.weight", h + "post_attention_layernorm.weight")
        if fused:
            case.put(g + "ffn_up.weight", h + "mlp.gate_up_proj.weight", [2 * FFN, WIDTH])
        else:
            case.put(g + "ffn_gate.weight", h + "mlp.gate_proj.weight", [FFN, WIDTH])
            case.put(g + "ffn_up.weight", h + "mlp.up_proj.weight", [FFN, WIDTH])
        case.put(g + "ffn_down.weight", h + "mlp.down_proj.weight", [WIDTH, FFN])
    case.norm("output_norm.weight", "model.norm.weight")
    if not case.tied:
        case.put("output.weight", "lm_head.weight", [VOCABULARY, WIDTH])
    return case


def fill_phi2(case):
    queries = HEADS * case.head
    case.put("token_embd.weight", "model.embed_tokens.weight", [VOCABULARY, WIDTH], 0.5)
    for n in range(case.layers):
        g, h = f"blk.{n}.", f"model.layers.{n}."
        case.norm(g + "attn_norm.weight", h + "input_layernorm.weight")
        case.put(g + "attn_norm.bias", h + "input_layernorm.bias", [WIDTH])
        for kind, shape in [("weight", [3 * queries, WIDTH]), ("bias", [3 * queries])]:
            all = case.put(f"{g}attn_qkv.{kind}", None, shape)
            for place, letter in enumerate("qkv"):
                case.state[f"{h}self_attn.{letter}_proj.{kind}"] = all[place * queries:(place + 1) * queries]
        for gguf, to, rows, columns in [
            ("attn_output", "self_attn.dense", WIDTH, queries),
            ("ffn_up", "mlp.fc1", FFN, WIDTH), ("ffn_down", "mlp.fc2", WIDTH, FFN),
        ]:
            case.put(f"{g}{gguf}.weight", f"{h}{to}.weight", [rows, columns])
            case.put(f"{g}{gguf}.bias", f"{h}{to}.bias", [rows])
    case.norm("output_norm.weight", "model.final_layernorm.weight")
    case.put("output_norm.bias", "model.final_layernorm.bias", [WIDTH])
    case.put("output.weight", "lm_head.weight", [VOCABULARY, WIDTH])
    case.put("output.bias", "lm_head.bias", [VOCABULARY])
    return case


def llama3_factors(size, base, factor, low, high, original):
    """What a converter writes to `rope_freqs.weight`."""
    out = []
    for pair in range(size // 2):
        length = 2 * torch.pi * base ** (2 * pair / size)
        if length < original / high:
            out.append(1.0)
        elif length > original / low:
            out.append(factor)
        else:
            smooth = (original / length - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return out


def main():
    t = transformers
    common = dict(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=FFN, num_hidden_layers=2,
        num_attention_heads=HEADS, num_key_value_heads=KV, max_position_embeddings=CONTEXT,
        attn_implementation="eager", tie_word_embeddings=True, pad_token_id=None, bos_token_id=1, eos_token_id=2,
    )
    rms, eps = "attention.layer_norm_rms_epsilon", 1e-5
    rope = lambda theta, **more: dict(rope_theta=theta, rope_parameters={"rope_type": "default", "rope_theta": theta, **more})
    cases = []

    config = t.LlamaConfig(**common, rms_norm_eps=eps, **rope(5000.0))
    cases.append((fill(Case("llama", "llama", config, {rms: eps, "rope.freq_base": 5000.0}), llama=True), t.LlamaForCausalLM))

    scaling = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
    config = t.LlamaConfig(**{**common, "tie_word_embeddings": False}, rms_norm_eps=eps, **rope(500.0, **scaling))
    case = fill(Case("llama 3.2", "llama", config, {rms: eps, "rope.freq_base": 500.0}, tied=False), llama=True)
    case.tensors.append(["rope_freqs.weight", [8], llama3_factors(16, 500.0, 8.0, 1.0, 4.0, 16), 0.0])
    cases.append((case, t.LlamaForCausalLM))

    config = t.Qwen2Config(**common, rms_norm_eps=1e-6, **rope(1e6))
    cases.append((fill(Case("qwen2", "qwen2", config, {rms: 1e-6, "rope.freq_base": 1e6}), biased=True), t.Qwen2ForCausalLM))

    config = t.Qwen3Config(**common, head_dim=32, rms_norm_eps=1e-6, **rope(1e6))
    cases.append((fill(Case("qwen3", "qwen3", config, {rms: 1e-6, "rope.freq_base": 1e6}, head=32), head_norms=True), t.Qwen3ForCausalLM))

    config = t.Gemma2Config(
        **common, head_dim=32, rms_norm_eps=1e-6, sliding_window=8, query_pre_attn_scalar=32,
        attn_logit_softcapping=5.0, final_logit_softcapping=3.0, hidden_activation="gelu_pytorch_tanh", **rope(10000.0))
    keys = {rms: 1e-6, "attention.sliding_window": 8, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0}
    cases.append((fill(Case("gemma2", "gemma2", config, keys, head=32, gemma=True), post_norms=True), t.Gemma2ForCausalLM))

    layers = dict(num_hidden_layers=7, layer_types=["full_attention" if (n + 1) % 6 == 0 else "sliding_attention" for n in range(7)])
    config = t.Gemma3TextConfig(
        **{**common, **layers}, head_dim=32, rms_norm_eps=1e-6, sliding_window=8, query_pre_attn_scalar=32,
        hidden_activation="gelu_pytorch_tanh", rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        })
    keys = {rms: 1e-6, "attention.sliding_window": 8, "rope.freq_base": 1e6, "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}
    cases.append((fill(Case("gemma3", "gemma3", config, keys, layers=7, head=32, gemma=True), post_norms=True, head_norms=True), t.Gemma3ForCausalLM))

    config = t.PhiConfig(
        **{**common, "num_key_value_heads": HEADS, "tie_word_embeddings": False}, layer_norm_eps=eps, hidden_act="gelu_new",
        partial_rotary_factor=0.5, **rope(10000.0, partial_rotary_factor=0.5))
    keys = {"attention.layer_norm_epsilon": eps, "attention.head_count_kv": HEADS, "rope.dimension_count": 8}
    cases.append((fill_phi2(Case("phi2", "phi2", config, keys, tied=False)), t.PhiForCausalLM))

    config = t.Phi3Config(**{**common, "tie_word_embeddings": False}, rms_norm_eps=eps, sliding_window=8, **rope(10000.0))
    keys = {rms: eps, "attention.sliding_window": 8, "rope.dimension_count": 16}
    cases.append((fill(Case("phi3", "phi3", config, keys, tied=False), fused=True), t.Phi3ForCausalLM))

    # Long contexts: the factors for short prompts as long as the original context holds them, the
    # others for a longer one; transformers decides by the prompt, GGUF's readers by the room.
    short, long = [1.0 + 0.125 * n for n in range(8)], [2.0 + 0.5 * n for n in range(8)]
    for name, original in [("phi3 long, short factors", 32), ("phi3 long, long factors", 16)]:
        more = dict(rope_type="longrope", short_factor=short, long_factor=long, factor=CONTEXT / original, original_max_position_embeddings=original)
        config = t.Phi3Config(**{**common, "tie_word_embeddings": False}, rms_norm_eps=eps, sliding_window=None,
                              original_max_position_embeddings=original, **rope(10000.0, **more))
        by = (1 + torch.log(torch.tensor(CONTEXT / original)) / torch.log(torch.tensor(float(original)))).sqrt().item()
        keys = {rms: eps, "rope.dimension_count": 16, "rope.scaling.original_context_length": original, "rope.scaling.attn_factor": by}
        case = fill(Case(name, "phi3", config, keys, tied=False), fused=True)
        case.tensors += [["rope_factors_short.weight", [8], short, 0.0], ["rope_factors_long.weight", [8], long, 0.0]]
        cases.append((case, t.Phi3ForCausalLM))

    rows = []
    for case, kind in cases:
        model = kind(case.config).eval().float()
        wanted = {name for name, _ in model.named_parameters()}
        state = {name: value for name, value in case.state.items()}
        missing = wanted - set(state)
        assert not missing, (case.name, missing)
        _, unexpected = model.load_state_dict(state, strict=False)
        assert not unexpected, (case.name, unexpected)
        with torch.no_grad():
            logits = model(torch.tensor([TOKENS]), use_cache=False).logits[0]
        rows.append({
            "name": case.name, "architecture": case.arch, "keys": case.keys, "tensors": case.tensors,
            "tokens": TOKENS, "positions": POSITIONS,
            "logits": [[round(x, 5) for x in logits[at].tolist()] for at in POSITIONS],
        })
        print(case.name, f"{logits.abs().max():.2f}")
    with_lines = ",\n".join(json.dumps(row) for row in rows)
    head = f'"transformers": "{transformers.__version__}", "torch": "{torch.__version__}"'
    Path(__file__).with_suffix(".json").write_text(f"{{{head}, \"cases\": [\n{with_lines}\n]}}\n")


if __name__ == "__main__":
    main()
