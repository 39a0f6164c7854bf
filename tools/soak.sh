#!/usr/bin/env bash
# What takes longer than `make test` may: the gradients of every layer and network by each method of convolution (a
# minute), every fuzz target of tests/fuzz for an hour, then 200 kills of a training (tests/kill_test.cpp). Takes about as many hours as there are targets for each core. CI does the same for seconds:
#   SOAK_FUZZ_SECONDS=3600  for each target
#   SOAK_KILLS=200          0 leaves them out
#   SOAK_TARGETS="image dicom safetensors lists csv command_line"
# A target begins with what tests/fuzz/corpus holds, a phantom, the tests' JPEG and BMP files and a checkpoint of the
# program's own, and goes on with what earlier runs found worth keeping (build-fuzz/found). What crashes, leaks, hangs or
# needs too much memory is left in build-fuzz/findings: it becomes a file of the corpus and a test once it is fixed.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
seconds=${SOAK_FUZZ_SECONDS:-3600}
kills=${SOAK_KILLS:-200}
targets=${SOAK_TARGETS:-image dicom safetensors lists csv command_line}
jobs=$(nproc)

tools/install_deps.sh --check clang libdcmtk-dev
cmake --build "$build" --target attnunet_archive attnunet -j "$jobs"
cmake -S tests/fuzz -B build-fuzz -DATTNUNET_BUILD="$build"
cmake --build build-fuzz -j "$jobs"

found=build-fuzz/found findings=build-fuzz/findings
for target in $targets; do mkdir -p "$found/$target" "$findings/$target"; done
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$build/attnunet" data synth --out "$made/data" --count 5 --size 32
"$build/attnunet" train --data "$made/data" --variant attention3 --base 2 --size 8 --epochs 0 --quiet --out "$made/run"
mkdir -p "$found/image" "$found/safetensors"
cp "$made/data/benign/benign (1).png" "$found/image/phantom.png"
cp tests/golden/images/*.jpg tests/golden/images/*.bmp "$found/image/"
cp "$made/run/last.safetensors" "$found/safetensors/checkpoint"

for conv in reference gemm winograd; do
  "$build/attnunet" gradcheck --conv "$conv" > build-fuzz/gradcheck.log || { cat build-fuzz/gradcheck.log; exit 1; }
done

# A checkpoint of the smallest network has 120 kB; the rest is told in much less. DCMTK reserves what a length in a
# deflated file claims, up to 4 GiB, but does not touch it; the limit of memory that is used stays.
fuzz() {
  local target=$1 longest=4096 largest=2048
  [ "$target" = safetensors ] && longest=131072
  [ "$target" = dicom ] && largest=4352
  build-fuzz/"${target}_fuzz" -max_total_time="$seconds" -max_len="$longest" -timeout=60 -rss_limit_mb=2048 \
    -malloc_limit_mb="$largest"     -print_final_stats=1 -artifact_prefix="$findings/$target/" "$found/$target" "tests/fuzz/corpus/$target" \
    > "build-fuzz/$target.log" 2>&1
}
export -f fuzz
export seconds found findings
failed=0
# shellcheck disable=SC2086
printf '%s\n' $targets | xargs -P "$jobs" -I {} bash -c 'fuzz {}' || failed=1
for target in $targets; do
  units=$(sed -n 's/^stat::number_of_executed_units: *//p' "build-fuzz/$target.log")
  printf '%-14s %12s executions, %s findings\n' "$target" "${units:-0}" "$(find "$findings/$target" -type f | wc -l)"
done
if [ "$failed" -ne 0 ]; then
  echo "soak: a target failed: build-fuzz/*.log, inputs in $findings" >&2
  exit 1
fi

if [ "$kills" -gt 0 ]; then
  cmake --build "$build" --target attnunet_tests -j "$jobs"
  ATTNUNET_KILLS=$kills "$build/attnunet_tests" --gtest_filter='Kill.*'
fi
