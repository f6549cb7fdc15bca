# The commands people use here. `make` alone lists them. Every recipe sources scripts/env.sh, so
# they work in a fresh shell; sourcing it yourself gives you cargo, colcon and python by hand.
#
# One profile and one set of features (--release, ros) for colcon, tests and demo, so that the
# dependencies are compiled once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build demo test test-fast test-wgpu drives train replay bench-engine bench-instructions bench-gpu bench-node bench-gate bench-gateway bench-trees soak fuzz test-kernels fmt lint deny clean distclean

export CARGO_TARGET_DIR ?= $(CURDIR)/target

vulkan := $(wildcard /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json)
env    := source scripts/env.sh;
node   := install/edge_reasoner/lib/edge_reasoner/edge_reasoner
cargo  := --release --locked --features ros
# The recordings, one folder per task: beside the checkout, or where DATA says.
DATA   ?= ../shared/data
TASKS  ?= clearance terrain wall_following
# Simulated drives, from which clearance learns beside them.
DRIVES ?= target/drives
# A domain of its own, so that two runs on one machine do not hear each other.
domain  = ROS_DOMAIN_ID=$${ROS_DOMAIN_ID:-$$((1 + $$$$ % 100))}

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## ROS 2 (the sourced one, else Jazzy in .ros/), Python modules, Debian packages
	@scripts/setup.sh

build: setup ## the messages and the node into install/, with colcon
	@$(env) colcon build --base-paths . --packages-select edge_reasoner --event-handlers console_direct+

demo: build ## a simulated robot, the node and its velocity gate, over DDS (BAG=file.mcap: a recording instead)
	@$(env) python demo/run.py $(if $(BAG),--bag "$(BAG)") $(ARGS)

test: ## everything CI checks
test: fmt-check build lint test-rust test-live deny $(if $(vulkan),test-wgpu,no-vulkan)

test-fast: build test-rust ## the Rust tests alone

# Dependencies with other features: compiled once more, beside those of the node.
test-wgpu: ## the engine wgpu on the Vulkan device here; a software one will do (mesa-vulkan-drivers)
	@$(env) cargo clippy --release --locked --features wgpu --lib --tests --benches -- -D warnings; \
	  cargo test --release --locked --features wgpu --lib -- gpu; \
	  cargo test --release --locked --features wgpu --test recordings -- engines

.PHONY: no-vulkan
no-vulkan:
	@echo "skipped: the engine wgpu is tested where there is a Vulkan driver; Debian's mesa-vulkan-drivers has one in software"

drives: setup ## simulated drives to learn from, to DRIVES (default: target/drives)
	@$(env) python drives/make.py --out $(DRIVES)

train: build drives ## train the shipped models (TASKS) on DATA and DRIVES, bundles to OUT (default: models)
	@$(env) for task in $(TASKS); do \
	  out=$(or $(OUT),models)/$$task; drives=; \
	  if [ $$task = clearance ]; then drives=$(DRIVES); fi; \
	  $(node) train --task params/tasks/$$task.yaml --data $(DATA)/$$task $$drives --out $$out $(ARGS); \
	  if git show HEAD:models/$$task/weights.safetensors | cmp -s - $$out/weights.safetensors; then \
	    echo "$$task: the weights of the commit, bit for bit"; \
	  else \
	    echo "$$task: not the weights of the commit. Another processor adds floats in another order;"; \
	    echo "  then two trainings are as far apart as two seeds"; \
	  fi; \
	done

replay: build ## decide on recordings: make replay BAG="a.mcap b.mcap" OUT=directory
	@test -n "$(BAG)" || { echo 'make replay needs recordings: make replay BAG="a.mcap b.mcap"' >&2; exit 2; }
	@$(env) $(node) replay $(BAG) --model models/clearance --out $(or $(OUT),target/replay) $(ARGS)

kernels := --manifest-path tests/kernels/Cargo.toml --target-dir target/kernels
arm     := aarch64-unknown-linux-musl
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

# The inputs found are kept in target/; copy those that are worth it to fuzz/corpus, where a test of
# the suite runs them.
fuzzed := cdr window manifest weights params mcap db3
fuzz: ## coverage-guided fuzzing of all that reads other people's bytes (SECONDS=60 per target, FUZZ=one of them)
	@$(env) if ! cargo +nightly --version > /dev/null 2>&1; then \
	  echo "fuzz: skipped, there is no nightly Rust (rustup toolchain install nightly)"; exit 0; fi; \
	if ! cargo fuzz --version > /dev/null 2>&1; then \
	  echo "fuzz: skipped, cargo-fuzz is not installed (cargo install --locked cargo-fuzz)"; exit 0; fi; \
	for one in $(or $(FUZZ),$(fuzzed)); do \
	  found="$$CARGO_TARGET_DIR/fuzz/corpus/$$one"; mkdir -p "$$found"; \
	  cargo +nightly fuzz run --target-dir "$$CARGO_TARGET_DIR/fuzz" $$one "$$found" fuzz/corpus/$$one -- \
	    -max_total_time=$(or $(SECONDS),60) -rss_limit_mb=2048 -timeout=10 -print_final_stats=1; \
	done

# The peers are a crate and a Python environment of their own, so that the product needs neither.
define compared
venv=$(CURDIR)/target/bench/venv; \
  python3 -m venv $$venv && $$venv/bin/pip install --quiet --requirement benches/engine/requirements.txt; \
  cargo build --release --locked --manifest-path benches/peers/Cargo.toml --target-dir target/peers; \
  cargo bench --locked --features ros --bench engine --no-run; \
  engine=$$(cargo bench --locked --features ros --bench engine --no-run --message-format json 2> /dev/null \
    | sed -n 's/.*"executable":"\([^"]*engine-[^"]*\)".*/\1/p');
endef
bench-engine: build ## our engines beside other runtimes, one pinned core: target/bench/engine.{json,md,svg}
	@$(env) $(compared) \
	  PYTHONPATH= $$venv/bin/python benches/engine/run.py --engine $$engine --peers target/peers/release/peers $(ARGS)

emulated := --release --locked --manifest-path benches/emulated/Cargo.toml --target-dir target/emulated
bench-instructions: build ## instructions of a window, here and on emulated processors: target/bench/instructions.{json,md}
	@$(env) $(compared) \
	  rustc --edition 2024 -O --crate-type cdylib benches/emulated/count.rs -o target/bench/libcount.so; \
	  if [ $$(uname -m) = x86_64 ]; then cargo build $(emulated); fi; \
	  if rustup target list --installed | grep -q $(arm); then \
	    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld cargo build $(emulated) --target $(arm); \
	  else echo "aarch64: skipped, needs rustup target add $(arm)"; fi; \
	  PYTHONPATH= $$venv/bin/python benches/engine/instructions.py --engine $$engine --peers target/peers/release/peers \
	    --plugin target/bench/libcount.so --emulate qemu-x86_64 target/emulated/release/emulated \
	    --emulate qemu-aarch64 target/emulated/$(arm)/release/emulated $(ARGS)

bench-gpu: setup ## the engine wgpu beside packed and ONNX Runtime's CUDA provider: target/bench/gpu.{json,md,svg}
	@$(env) venv=$(CURDIR)/target/bench/gpu-venv; \
	  python3 -m venv $$venv && $$venv/bin/pip install --quiet --requirement benches/engine/requirements-gpu.txt; \
	  cargo bench --locked --features wgpu --bench engine --no-run; \
	  engine=$$(cargo bench --locked --features wgpu --bench engine --no-run --message-format json 2> /dev/null \
	    | python3 -c 'import json,sys; print([o["executable"] for o in map(json.loads, sys.stdin) if o.get("target",{}).get("name") == "engine" and o.get("executable")][-1])'); \
	  PYTHONPATH= $$venv/bin/python benches/engine/gpu.py --engine $$engine $(ARGS)

bench-node: build ## our node beside rclpy with ONNX Runtime and a bare echo: target/bench/node.{json,png,svg}
	@$(env) benches/live/setup.sh peer tools; \
	  cargo build $(cargo) --example echo; \
	  python benches/node.py --echo "$$CARGO_TARGET_DIR/release/examples/echo" $(ARGS)

bench-gate: build ## the velocity gate in a closed loop, beside a scripted one and none: target/bench/gate.{json,md,svg}
	@$(env) python benches/gate.py $(ARGS)

bench-gateway: build ## one node for eight robots beside a node for each: target/bench/gateway.{json,md}
	@$(env) $(domain) python benches/gateway.py $(ARGS)

# The trees have an environment of their own too.
bench-trees: build ## boosted trees beside the shipped models (TASKS) on the same windows: target/bench/trees/
	@$(env) venv=$(CURDIR)/target/bench/trees-venv; \
	  python3 -m venv $$venv && $$venv/bin/pip install --quiet --requirement benches/trees/requirements.txt; \
	  for task in $(TASKS); do \
	    drives=; if [ $$task = clearance ]; then drives="$(wildcard $(DRIVES))"; fi; \
	    PYTHONPATH= $$venv/bin/python benches/trees/run.py --node $(node) --model models/$$task \
	      --task params/tasks/$$task.yaml --data $(DATA)/$$task $$drives --out target/bench/trees/$$task $(ARGS); \
	  done

soak: build ## our node at 100 Hz beside cyclictest, idle and under stress: target/bench/soak.* (SECONDS=600)
	@$(env) benches/live/setup.sh tools; \
	  python benches/soak.py --seconds $(or $(SECONDS),600) $(ARGS)

fmt: ## format the sources
	@$(env) cargo fmt

# Clippy comes after the build: r2r generates the Rust types of our messages once they are installed.
lint: build ## clippy, warnings are errors
	@$(env) cargo clippy $(cargo) --all-targets -- -D warnings

deny: ## licences and advisories of the dependencies, where cargo-deny is installed
	@$(env) if ! cargo deny --version > /dev/null 2>&1; then \
	  echo "deny: skipped, cargo-deny is not installed (cargo install cargo-deny)"; exit 0; fi; \
	  cargo deny check licenses bans sources; \
	  if cargo deny fetch db > /dev/null 2>&1; then cargo deny check advisories; \
	  else echo "deny: advisories skipped, their database cannot be fetched from here"; fi

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
	@$(env) $(domain) python -m pytest -q tests
