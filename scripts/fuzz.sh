#!/usr/bin/env bash
# Coverage-guided fuzzing of what reads other people's bytes:   scripts/fuzz.sh [TARGET...]
#
# With the compiler that is there: libFuzzer comes as a crate, and what it needs to see coverage is a
# flag of every rustc. A nightly Rust adds the address sanitizer. SECONDS_EACH=60 per target, or
# RUNS=300 of each. Inputs that reach something new are kept below the build folder; copy those that
# are worth it to fuzz/corpus, where a test of the suite runs them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
targets=("$@")
[ $# -gt 0 ] || targets=(cdr window manifest weights params gguf mcap db3)
folder=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
triple=$(rustc -vV | sed -n 's/^host: //p')

scripts/fetch.sh fuzz/Cargo.toml || exit $(($? == 3 ? 0 : 1))
flags="--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module"
for flag in level=4 inline-8bit-counters pc-table trace-compares; do
  flags+=" -Cllvm-args=-sanitizer-coverage-$flag"
done
rust=()
if [ "${SANITIZER:-address}" = address ] && cargo +nightly --version > /dev/null 2>&1; then
  rust=(+nightly)
  flags+=" -Zsanitizer=address"
else
  echo "fuzz: without the address sanitizer, which needs a nightly Rust"
fi
bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
# A folder of its own for each kind of build: another one's flags would build everything anew.
built=$folder/${rust:+nightly}
RUSTFLAGS=$flags cargo "${rust[@]}" build --quiet --release --locked --manifest-path fuzz/Cargo.toml \
  --target "$triple" --target-dir "${built%/}" "${bins[@]}"

# SQLite has two tables of one name, both its own: no fault.
export ASAN_OPTIONS=detect_odr_violation=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}
limit=(-max_total_time="${SECONDS_EACH:-60}")
[ -z "${RUNS:-}" ] || limit=(-runs="$RUNS")
for target in "${targets[@]}"; do
  found=$folder/corpus/$target
  mkdir -p "$found" "$folder/failed"
  echo "fuzz: $target, ${limit[*]}"
  log=$folder/$target.log
  if ! "${built%/}/$triple/release/$target" "$found" "fuzz/corpus/$target" "${limit[@]}" -rss_limit_mb=2048 \
    -timeout=10 -print_final_stats=1 -artifact_prefix="$folder/failed/$target-" > "$log" 2>&1; then
    tail -n 40 "$log"
    echo "fuzz: $target failed; the input is in $folder/failed/, all that was said in $log" >&2
    exit 1
  fi
  grep -E 'number_of_executed_units|new_units_added' "$log" | sed 's/^/  /'
done
