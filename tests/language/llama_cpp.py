"""Greedy tokens of llama.cpp as a table: `llama_cpp.py MODEL.gguf OUT.json`, by the package
xllamacpp. Every step holds the token that it chose and by how much, as logarithm of probabilities,
it was before the second."""

import json
import math
import sys
import urllib.request
from pathlib import Path

import xllamacpp

TOKENS = 64
PROMPTS = [
    "The robot drives through the hall and",
    "A short list of things that a delivery robot must never do:\n1.",
    "Question: What is the capital of France?\nAnswer:",
    "def distance(a, b):\n    \"\"\"Euclidean distance of two points.\"\"\"\n",
    "The three laws of thermodynamics say that",
    "Die Hauptstadt von Deutschland ist",
    "Il était une fois, dans une forêt,",
    "日本の首都は",
    "1, 1, 2, 3, 5, 8, 13,",
    "Dear Sir or Madam,\n\nI am writing to complain about",
    "State: A wall is 0.3 m ahead.\nAnswer:",
    "Why is the sky blue? 🌤️ Because",
    "Once upon a time there was a small lighthouse. Its keeper",
    "{\"name\": \"robot\", \"battery\": 70, \"goal\":",
    "| city | country |\n|---|---|\n| Rome |",
    "The opposite of hot is cold. The opposite of up is",
    "<|im_start|>user\nName three fruits.<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nHow does a lidar measure distance?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>system\nYou answer in one sentence.<|im_end|>\n"
    "<|im_start|>user\nWhat should a robot do when a child runs in front of it?<|im_end|>\n"
    "<|im_start|>assistant\n",
    "<|im_start|>user\nWrite a haiku about rust.<|im_end|>\n<|im_start|>assistant\n",
]

# What a robot does next, and tokens for it; their probabilities among one another are compared.
STATES = [
    "A wall is 0.3 m ahead.", "The hall is empty.", "A wheel is broken.", "Rain, and it is hard to see.",
    "A child runs in front of the robot.", "Battery 3 percent and no charger is near.",
]
ACTIONS = [" go", " slow", " stop", " help"]
EXAMPLES = (
    "A delivery robot decides from its state what it does next: go, slow, stop or help.\n\n"
    "State: People stand 2 m to the right.\nAnswer: slow\n\nState: The way is free for 8 m.\nAnswer: go\n\n"
    "State: The robot lies in a ditch.\nAnswer: help\n\nState: A chair stands in the way.\nAnswer: stop\n\n"
)


def ask(server, path, asked):
    body = json.dumps(asked).encode()
    request = urllib.request.Request(server.listening_address.rstrip("/") + path, body,
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def serve(model):
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = 1024
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    return xllamacpp.Server(params)


def greedy(server, text, count):
    asked = {"content": text, "add_special": True, "parse_special": True}
    prompt = ask(server, "/tokenize", asked)["tokens"]
    steps = []
    asked = {
        "prompt": prompt, "n_predict": count, "temperature": 0.0, "top_k": 1, "ignore_eos": False,
        "n_probs": 2, "return_tokens": True, "cache_prompt": False, "stream": False,
    }
    answer = ask(server, "/completion", asked)
    # A token that ends within a character has no probabilities in the answer.
    known = iter(answer["completion_probabilities"])
    step = next(known, None)
    for token in answer["tokens"]:
        ahead = None
        if step and step["id"] == token:
            first, second = step["top_logprobs"][:2]
            assert first["id"] == token
            ahead = round(first["logprob"] - second["logprob"], 3)
            step = next(known, None)
        steps.append([token, ahead])
    return {"prompt": prompt, "steps": steps, "text": text}


def choose(server, state):
    """The probability of each action behind a state, by one answer with many tokens."""
    asked = {"content": f"{EXAMPLES}State: {state}\nAnswer:", "add_special": True}
    prompt = ask(server, "/tokenize", asked)["tokens"]
    tokens = []
    for action in ACTIONS:
        these = ask(server, "/tokenize", {"content": action, "add_special": False})["tokens"]
        assert len(these) == 1, action
        tokens += these
    asked = {"prompt": prompt, "n_predict": 1, "temperature": 0.0, "n_probs": 5000, "cache_prompt": False}
    answer = ask(server, "/completion", asked)
    logs = {one["id"]: one["logprob"] for one in answer["completion_probabilities"][0]["top_logprobs"]}
    odds = [math.exp(logs[token]) for token in tokens]
    return {"prompt": prompt, "tokens": tokens, "probabilities": [round(one / sum(odds), 4) for one in odds]}


def write(out, source, tables):
    """A line for every row."""
    text = json.dumps({"source": source}, ensure_ascii=False)[:-1]
    for name, rows in tables.items():
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        text += f', "{name}": [\n{lines}\n]'
    out.write_text(text + "}\n")


def main():
    model, out = map(Path, sys.argv[1:])
    server = serve(model)
    tables = {
        "rows": [greedy(server, text, TOKENS) for text in PROMPTS],
        "labels": [choose(server, state) for state in STATES],
    }
    write(out, f"{model.name}, xllamacpp {xllamacpp.__version__}", tables)


if __name__ == "__main__":
    main()
