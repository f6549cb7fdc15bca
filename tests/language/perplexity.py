"""How well llama.cpp foresees a text: `perplexity.py MODEL.gguf TEXT OUT.json`, by the package xllamacpp.
In chunks of 512 tokens with nothing before them; the second half of each counts."""

import json
import math
import sys
from pathlib import Path

from llama_cpp import ask, serve

CHUNK = 512


def main():
    model, text, out = map(Path, sys.argv[1:])
    server = serve(model)
    import xllamacpp

    words = {"content": text.read_text(), "add_special": False, "parse_special": False}
    tokens = ask(server, "/tokenize", words)["tokens"]
    tokens = tokens[: len(tokens) // CHUNK * CHUNK]
    logs = []
    for start in range(0, len(tokens), CHUNK):
        chunk = tokens[start : start + CHUNK]
        for at in range(CHUNK // 2 + 1, CHUNK):
            asked = {"prompt": chunk[:at], "n_predict": 1, "temperature": 0.0, "n_probs": 100_000, "cache_prompt": True}
            (step,) = ask(server, "/completion", asked)["completion_probabilities"]
            found = [one["logprob"] for one in step["top_logprobs"] if one["id"] == chunk[at]]
            logs.append(found[0])
    perplexity = math.exp(-sum(logs) / len(logs))
    source = f"{model.name}, xllamacpp {xllamacpp.__version__}"
    found = {"source": source, "text": text.name, "perplexity": round(perplexity, 4), "tokens": tokens}
    out.write_text(json.dumps(found) + "\n")
    print(perplexity, len(logs))


if __name__ == "__main__":
    main()
