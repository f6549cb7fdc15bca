"""llama.cpp by the package xllamacpp: `llama.py WEIGHTS CONTEXT` answers the orders of
benches/language.rs. Times are those that it takes inside, without HTTP and JSON around them."""

import json
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np

# What the model writes is chosen as fast as it can be.
GREEDY = {"temperature": 0.0, "top_k": 1, "samplers": ["top_k"], "ignore_eos": True, "return_tokens": True}


def memory():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def some(count):
    return [1000 + at * 7 % 4096 for at in range(count)]


class Llama:
    def __init__(self, weights, context):
        import xllamacpp

        self.before = memory()
        begun = time.perf_counter()
        params = xllamacpp.CommonParams()
        params.model.path = weights
        params.n_ctx = context
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.verbosity = -1
        self.server = xllamacpp.Server(params)
        self.load = time.perf_counter() - begun
        self.address = self.server.listening_address.rstrip("/")
        self.question = self.grammar = self.sweep = None
        self.asked = 0

    def ask(self, path, words):
        request = urllib.request.Request(
            self.address + path, json.dumps(words).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def complete(self, prompt, tokens, cache=True, **more):
        words = {"prompt": prompt, "n_predict": tokens, "cache_prompt": cache} | GREEDY | more
        answer = self.ask("/completion", words)
        return answer, answer["timings"]

    def new(self, tokens):
        """Tokens that were not asked before, so that none of them is cached."""
        self.asked += 1
        return [2000 + self.asked % 1000, *tokens[1:]]

    def answer(self, order, rest):
        *numbers, runs = map(int, rest)
        if order == "prefill":
            return [self.complete(some(numbers[0]), 1, cache=False)[1]["prompt_ms"] for _ in range(runs)]
        if order == "decode":
            # The first token comes with the prompt.
            _, times = self.complete(some(numbers[0]), runs + 1)
            return [times["predicted_ms"] / runs] * runs
        if order == "cold":
            prompt, found = some(numbers[0]), []
            self.complete(prompt, 1)
            self.sweep = np.zeros(128 << 17) if self.sweep is None else self.sweep
            for _ in range(runs):
                self.sweep += 1
                # Of a prompt that is cached the last token is fed again.
                found.append(self.complete(prompt, 1)[1]["prompt_ms"])
            return found
        if order == "batch":
            prompt = some(numbers[0])
            self.complete(prompt, 1)
            return [self.complete(prompt + self.new(some(numbers[1])), 1)[1]["prompt_ms"] for _ in range(runs)]
        if order == "label":
            return [self.label(numbers[0]) for _ in range(runs)]
        raise SystemExit(f"{order} is no order")

    def prompt(self):
        prefix, new = self.question[:2]
        # Something else behind the prefix, so that only that is cached.
        self.complete(prefix + self.new(new), 1)
        return prefix + new

    def label(self, thoughts):
        _, _, opener, cue, labels = self.question
        prompt, spent = self.prompt(), 0.0
        if thoughts:
            answer, times = self.complete(prompt + opener, thoughts)
            spent += times["prompt_ms"] + times["predicted_ms"]
            prompt = prompt + opener + answer["tokens"]
        _, times = self.complete(prompt + cue, 1, logit_bias=[[label, 100] for label in labels])
        return spent + times["prompt_ms"] + times["predicted_ms"]

    def json(self, runs):
        cue, found = self.question[3], []
        for _ in range(runs):
            prompt = self.prompt()
            self.complete(prompt, 1)
            answer, times = self.complete(prompt + cue, 64, grammar=self.grammar, ignore_eos=False)
            found.append(times["prompt_ms"] + times["predicted_ms"])
        return [*found, len(answer["tokens"]), answer["content"].strip()]


def main():
    llama = Llama(sys.argv[1], int(sys.argv[2]))
    llama.complete([1], 1)
    print(f"ready {llama.load:.4f} {memory() - llama.before} llama.cpp -", flush=True)
    for line in sys.stdin:
        order, _, rest = line.strip().partition(" ")
        if order == "question":
            llama.question = [[int(word) for word in sys.stdin.readline().split()] for _ in range(5)]
            answer = [0]
        elif order == "grammar":
            llama.grammar = json.loads(rest)
            answer = [0]
        elif order == "memory":
            answer = [memory() - llama.before]
        elif order == "json":
            answer = llama.json(int(rest))
        else:
            answer = llama.answer(order, rest.split())
        print(*answer, flush=True)


if __name__ == "__main__":
    main()
