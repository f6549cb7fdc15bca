# The commands people use here. `make` alone lists them. Every recipe sources scripts/env.sh, so
# they work in a fresh shell; sourcing it yourself gives you cargo, colcon and python by hand.
#
# One profile and one set of features (--release, ros) for colcon, tests and demo, so that the
# dependencies are compiled once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build demo slm reason test test-fast test-wgpu drives train replay bench-engine bench-instructions bench-language bench-gpu bench-node bench-gate bench-gateway bench-trees soak figures mark-figures fuzz test-kernels fmt lint deny clean distclean

export CARGO_TARGET_DIR ?= $(CURDIR)/target

vulkan := $(wildcard /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json)
env    := source scripts/env.sh;
# NODE=path/to/edge_reasoner: one that is built already; then neither it nor what it needs is built.
NODE   ?=
node   := $(or $(NODE),install/edge_reasoner/lib/edge_reasoner/edge_reasoner)
built  := $(if $(NODE),,build)
ready  := $(if $(NODE),,setup)
ifneq ($(NODE),)
export EDGE_REASONER_NODE := $(abspath $(NODE))
endif
# ARGS=--smoke: whether a bench still runs, in seconds and without figures; a test does it with all.
ARGS   ?=
smoke  := $(findstring --smoke,$(ARGS))
cargo  := --release --locked --features ros
# The recordings, one folder per task: beside the checkout, or where DATA says.
DATA   ?= ../shared/data
TASKS  ?= clearance terrain wall_following
# Simulated drives, from which clearance learns beside them (DRIVES= for none).
DRIVES ?= target/drives
# The bundles that the trees are compared with.
MODELS ?= models
# A domain of its own, so that two runs on one machine do not hear each other.
domain  = ROS_DOMAIN_ID=$${ROS_DOMAIN_ID:-$$((1 + $$$$ % 100))}

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## ROS 2 (the sourced one, else Jazzy in .ros/), Python modules, Debian packages
	@scripts/setup.sh

build: setup ## the messages and the node into install/, with colcon
	@$(env) colcon build --base-paths . --packages-select edge_reasoner --event-handlers console_direct+

demo: $(built) ## a simulated robot, the node and its velocity gate, over DDS (BAG=file.mcap: a recording instead)
	@$(env) python demo/run.py --node $(node) $(if $(BAG),--bag "$(BAG)") $(ARGS)

test: ## everything CI checks
test: fmt-check build lint test-rust test-live deny $(if $(vulkan),test-wgpu,no-vulkan)

test-fast: build test-rust ## the Rust tests alone

# Dependencies with other features: compiled once more, beside those of the node. ndarray comes along.
test-wgpu: ## the engines wgpu and ndarray, on the Vulkan device here; a software one will do (mesa-vulkan-drivers)
	@$(env) cargo clippy --release --locked --features wgpu,ndarray --lib --tests --benches -- -D warnings; \
	  cargo test --release --locked --features wgpu,ndarray --lib -- gpu model:: language::network; \
	  cargo test --release --locked --features wgpu,ndarray --test recordings -- engines

.PHONY: no-vulkan
no-vulkan:
	@echo "skipped: the engine wgpu is tested where there is a Vulkan driver; Debian's mesa-vulkan-drivers has one in software"

drives: $(ready) ## simulated drives to learn from, to DRIVES (default: target/drives)
	@$(env) python drives/make.py --out $(DRIVES) $(if $(filter drives,$(MAKECMDGOALS)),$(ARGS))

train: $(built) $(if $(DRIVES),drives) ## train the shipped models (TASKS) on DATA and DRIVES, bundles to OUT (default: models)
	@$(env) for task in $(TASKS); do \
	  out=$(or $(OUT),models)/$$task; drives=; \
	  if [ $$task = clearance ]; then drives=$(DRIVES); fi; \
	  if [ ! -d $(DATA)/$$task ]; then \
	    echo "train: there are no recordings at $(DATA)/$$task; DATA=folder names others" >&2; exit 2; fi; \
	  $(node) train --task params/tasks/$$task.yaml --data $(DATA)/$$task $$drives --out $$out $(ARGS); \
	  if git show HEAD:models/$$task/weights.safetensors | cmp -s - $$out/weights.safetensors; then \
	    echo "$$task: the weights of the commit, bit for bit"; \
	  else \
	    echo "$$task: not the weights of the commit. Another processor adds floats in another order;"; \
	    echo "  then two trainings are as far apart as two seeds"; \
	  fi; \
	done

replay: $(built) ## decide on recordings: make replay BAG="a.mcap b.mcap" OUT=directory
	@test -n "$(BAG)" || { echo 'make replay needs recordings: make replay BAG="a.mcap b.mcap"' >&2; exit 2; }
	@$(env) $(node) replay $(BAG) --model models/clearance --out $(or $(OUT),target/replay) $(ARGS)

kernels := --manifest-path tests/kernels/Cargo.toml --target-dir target/kernels
arm     := aarch64-unknown-linux-musl
# The language bundle, its deadlines, what it is asked.
SLM      ?= models/assistant-smollm2
DEADLINE ?= 50,300,1500
QUESTION ?= The scan shows a wall 0.4 m ahead. The robot drives at 0.5 m/s.
slm: $(built) ## the weights of the small language model (SLM), once, into the user's cache
	@$(env) $(node) fetch $(SLM) || { test $$? -eq 3; }

reason: slm ## the small language model answers QUESTION by each of DEADLINE (ms)
	@$(env) if $(node) inspect $(SLM) --json | grep '"missing": null' > /dev/null; then \
	  $(node) reason --model $(SLM) --question "$(QUESTION)" --deadline-ms $(DEADLINE) $(ARGS); fi

test-kernels: ## the kernels alone: under Miri, with the address sanitizer, on emulated aarch64, as far as the tools are there
	@$(env) if cargo +nightly miri --version > /dev/null 2>&1; then \
	  MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test $(kernels); \
	else echo "Miri: skipped, it is not installed (rustup +nightly component add miri rust-src)"; fi; \
	if cargo +nightly --version > /dev/null 2>&1; then \
	  RUSTFLAGS=-Zsanitizer=address cargo +nightly test $(kernels) --target $$(uname -m)-unknown-linux-gnu; \
	else echo "address sanitizer: skipped, there is no nightly Rust"; fi; \
	if qemu-aarch64 --version > /dev/null 2>&1 && rustup target list --installed | grep -q $(arm); then \
	  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld \
	  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER=qemu-aarch64 cargo test $(kernels) --target $(arm); \
	else echo "aarch64: skipped, needs qemu-user and rustup target add $(arm)"; fi

fuzz: ## coverage-guided fuzzing of all that reads other people's bytes (SECONDS=60 or RUNS=n per target, FUZZ=one of them)
	@$(env) SECONDS_EACH=$(or $(SECONDS),60) RUNS=$(RUNS) scripts/fuzz.sh $(FUZZ)

# The peers are a crate and a Python environment of their own, so that the product needs neither.
#
# $(call venv,NAME,LIST): `venv` is the virtual environment of a bench. Where pip reaches nothing, the
# recipe ends with a word and without an error, as everywhere where a machine lacks something.
# Where something else is wrong it is an error.
venv = venv=$$(benches/venv.sh $(1) $(2) $(3)) || exit $$(($$? == 3 ? 0 : 1));
fetched = scripts/fetch.sh $(1) || exit $$(($$? == 3 ? 0 : 1));
peers := $(CARGO_TARGET_DIR)/peers
define compared
$(call venv,engine,benches/engine/requirements.txt) $(call fetched,benches/peers/Cargo.toml) \
  cargo build --quiet --release --locked --manifest-path benches/peers/Cargo.toml --target-dir $(peers); \
  engine=$$(cargo bench --locked --features ros --bench engine --no-run --message-format json \
    | sed -n 's/.*"executable":"\([^"]*engine-[^"]*\)".*/\1/p');
endef
bench-engine: $(built) ## our engines beside other runtimes, one pinned core: target/bench/engine.{json,md,svg}
	@$(env) $(compared) \
	  PYTHONPATH= $$venv/bin/python benches/engine/run.py --engine $$engine --peers $(peers)/release/peers \
	    --data $(DATA) $(ARGS)

emulated := $(CARGO_TARGET_DIR)/emulated
emulate  := --release --locked --manifest-path benches/emulated/Cargo.toml --target-dir $(emulated)
bench-instructions: $(built) ## instructions of a window, here and on emulated processors: target/bench/instructions.{json,md}
	@$(env) $(compared) mkdir -p $(emulated); \
	  rustc --edition 2024 -O --crate-type cdylib benches/emulated/count.rs -o $(emulated)/libcount.so; \
	  $(call fetched,benches/emulated/Cargo.toml) \
	  if [ $$(uname -m) = x86_64 ]; then cargo build --quiet $(emulate); fi; \
	  if rustup target list --installed | grep -q $(arm); then \
	    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld cargo build --quiet $(emulate) --target $(arm); \
	  else echo "aarch64: left out, needs rustup target add $(arm)"; fi; \
	  PYTHONPATH= $$venv/bin/python benches/engine/instructions.py --engine $$engine --peers $(peers)/release/peers \
	    --plugin $(emulated)/libcount.so --emulate qemu-x86_64 $(emulated)/release/emulated \
	    --emulate qemu-aarch64 $(emulated)/$(arm)/release/emulated $(ARGS)

bench-language: $(built) ## our language engine beside llama.cpp on the weights of SLM, one pinned core: target/bench/language.{json,md,svg}
	@$(env) weights=$$($(node) inspect $(SLM) --json | python3 -c 'import json,sys; print(json.load(sys.stdin).get("weights") or "")'); \
	  if [ ! -f "$$weights" ]; then \
	    echo "skipped: the weights of $(SLM) are not on this machine; make slm brings them"; exit 0; fi; \
	  $(call venv,language,benches/language/requirements.txt) \
	  engine=$$(cargo bench --locked --features ros --bench language --no-run --message-format json \
	    | sed -n 's/.*"executable":"\([^"]*language-[^"]*\)".*/\1/p'); \
	  PYTHONPATH= $$venv/bin/python benches/language/run.py --engine $$engine --weights "$$weights" $(ARGS)

bench-gpu: $(ready) ## the engine wgpu beside packed and ONNX Runtime's CUDA provider: target/bench/gpu.{json,md,svg}
	@if ! nvidia-smi -L > /dev/null 2>&1 && [ -z "$(findstring --device,$(ARGS))" ]; then \
	  echo "skipped: nvidia-smi knows no GPU here; ARGS='--device software' measures the software one of Vulkan"; exit 0; fi; \
	$(env) $(call venv,gpu,benches/engine/requirements-gpu.txt) \
	  cargo bench --locked --features wgpu --bench engine --no-run; \
	  engine=$$(cargo bench --locked --features wgpu --bench engine --no-run --message-format json 2> /dev/null \
	    | python3 -c 'import json,sys; print([o["executable"] for o in map(json.loads, sys.stdin) if o.get("target",{}).get("name") == "engine" and o.get("executable")][-1])'); \
	  PYTHONPATH= $$venv/bin/python benches/engine/gpu.py --engine $$engine $(ARGS)

bench-node: $(built) ## our node beside rclpy with ONNX Runtime and a bare echo: target/bench/node.{json,png,svg}
	@$(env) $(call venv,rclpy_ort,benches/live/requirements.txt,--with-ros) \
	  $(if $(smoke),,benches/live/setup.sh;) \
	  cargo build --quiet $(cargo) --example echo --example window; \
	  python benches/node.py --peer-python $$venv/bin/python $(ARGS)

bench-gate: $(built) ## the velocity gate in a closed loop in 40 rooms, beside scripts and none: target/bench/gate.{json,md,svg} (EARLIER=a node of before)
	@$(env) python benches/gate $(ARGS)

bench-gateway: $(built) ## one node for eight robots beside a node for each: target/bench/gateway.{json,md}
	@$(env) $(domain) python benches/gateway.py $(ARGS)

bench-trees: $(built) ## boosted trees beside MODELS (TASKS) on the same windows of DATA: target/bench/trees/
	@$(env) $(call venv,trees,benches/trees/requirements.txt) \
	  for task in $(TASKS); do \
	    if [ ! -d $(DATA)/$$task ]; then \
	      echo "skipped: there are no recordings of $$task at $(DATA)/$$task; DATA=folder names others"; continue; fi; \
	    drives=; if [ $$task = clearance ]; then drives="$(wildcard $(DRIVES))"; fi; \
	    PYTHONPATH= $$venv/bin/python benches/trees/run.py --node $(node) --model $(MODELS)/$$task \
	      --task params/tasks/$$task.yaml --data $(DATA)/$$task $$drives --out target/bench/trees/$$task $(ARGS); \
	  done

soak: $(built) ## our node at 100 Hz beside cyclictest, idle and under stress: target/bench/soak.* (SECONDS=600)
	@$(env) $(if $(smoke),,benches/live/setup.sh;) \
	  python benches/soak.py --seconds $(or $(SECONDS),600) $(ARGS)

# Benches whose figures stand in README.md and docs/; what is not among FIGURES stays as it was.
FIGURES ?= bench-node bench-gate bench-gateway soak bench-engine bench-instructions
figures: $(built) ## run FIGURES and write what they measured into README.md and docs/ (FIGURES= for what was measured already)
	@for bench in $(FIGURES); do $(MAKE) --no-print-directory $$bench; done
	@$(env) python benches/figures.py --node $(node)

mark-figures: $(built) ## say in README.md and docs/ which figures are of a bundle before the one that ships; measures nothing
	@$(env) python benches/figures.py --node $(node) --mark-before

fmt: ## format the sources
	@$(env) cargo fmt

# Clippy comes after the build: r2r generates the Rust types of our messages once they are installed.
lint: build ## clippy, warnings are errors
	@$(env) cargo clippy $(cargo) --all-targets -- -D warnings

# A test of the suite; the rest is said here, so that nobody takes a green run for more than it is.
deny: ## licences, bans and sources of the dependencies; advisories where cargo-deny is there and reaches their database
	@$(env) cargo test --quiet $(cargo) --test dependencies crates::; \
	  if ! cargo deny --version > /dev/null 2>&1; then \
	    echo "deny: advisories skipped, cargo-deny is not installed (cargo install --locked cargo-deny)"; \
	  elif ! cargo deny fetch db > /dev/null 2>&1; then \
	    echo "deny: advisories skipped, their database cannot be fetched from here"; \
	  else cargo deny check; fi

clean: ## what was built; .ros/ stays
	rm -rf build install log target

distclean: clean ## .ros/ too
	rm -rf .ros .ros.lock

.PHONY: fmt-check test-rust test-live
fmt-check: setup
	@$(env) cargo fmt --check
test-rust: build
	@$(env) $(domain) cargo test $(cargo)
test-live: build
	@$(env) $(domain) python -m pytest -q -rs tests
