#!/usr/bin/env bash
# Everything that only a machine with a GPU can show, in one go, the most telling parts first: the tests, the gradient
# check, speed against PyTorch, times by layer and by kernel, a training on BUSI that is repeated and read by the other
# backends, both networks trained, compute-sanitizer on the layer tests. Raw output goes to the folder given.
#   tools/run_on_gpu.sh OUT [BUSI_FOLDER] [PART...]     parts: tests gradcheck bench layers kernels repeat train sanitizers
# Wants the tests built (make test) and, for the comparison, python3 with a torch that knows the GPU. What is missing is skipped by
# name. Every command has a time limit; the exit code is 1 where one failed or ran out of time.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: tools/run_on_gpu.sh OUT [BUSI_FOLDER] [PART...]}
data=${2:-data/BUSI}
shift $(($# < 2 ? $# : 2))
parts=${*:-tests gradcheck bench layers kernels repeat train sanitizers}
build=${BUILD:-build}
attnunet=$build/attnunet
mkdir -p "$out"
failed=0

# The suites of the GPU, by the type that gtest lists beside their numbers.
gpu_suites() { "$build/attnunet_tests" --gtest_list_tests | awk '/TypeParam = .*Cuda</ { printf "%s*:", $1 }'; }
if [ -z "$(gpu_suites)" ]; then
  echo "run_on_gpu: $build/attnunet_tests has no tests on GPUs; build it with: make test CUDA_ARCH=90 (the GPU's)" >&2
  exit 1
fi

# run NAME SECONDS COMMAND...: its output in OUT/NAME.txt, its last lines here.
run() {
  local name=$1 limit=$2 start=$SECONDS status=0
  shift 2
  timeout "$limit" "$@" > "$out/$name.txt" 2>&1 || status=$?
  printf '== %s: exit %d, %d s\n' "$name" "$status" $((SECONDS - start))
  tail -n "${lines:-6}" "$out/$name.txt"
  [ "$status" -eq 0 ] || failed=1
}

part_tests() { run tests 240 "$build/attnunet_tests" --gtest_brief=1 --gtest_filter="$(gpu_suites)"; }

part_gradcheck() { run gradcheck 120 "$attnunet" gradcheck --backend cuda; }

part_bench() {
  if ! python3 -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null; then
    echo "== bench: no torch that knows the GPU, skipped"
    return
  fi
  local variant mode
  for variant in attention4 attention3; do
    for mode in float32 tf32 "bf16 --compile"; do
      # shellcheck disable=SC2086
      lines=3 run "bench-$variant-${mode// --/-}" 240 python3 tools/bench_pytorch.py --attnunet "$attnunet" --backend cuda \
        --variant "$variant" --batch 16 --repeats 20 --rounds "${ROUNDS:-2}" --precision $mode
    done
  done
}

part_layers() {
  local precision
  for precision in float32 bf16; do
    lines=1 run "layers-$precision" 120 "$attnunet" bench --backend cuda --precision "$precision" --repeats 10
  done
}

# The kernels of one training step, from one call of Adam to the next, by ncu: time and bytes of each, and summed by name.
part_kernels() {
  if ! command -v ncu > /dev/null; then
    echo "== kernels: no ncu, skipped"
    return
  fi
  local precision
  for precision in float32 bf16; do
    run "ncu-$precision" 120 ncu --clock-control none --cache-control none --csv --page raw \
      --metrics gpu__time_duration.sum,dram__bytes.sum "$attnunet" bench --backend cuda --precision "$precision" \
      --no-layers --warmup 1 --repeats 1
    lines=40 run "kernels-$precision" 10 python3 tools/bench/kernel_times.py "$out/ncu-$precision.txt"
  done
}

# The same training twice gives the same bytes; what a GPU trained, the CPU and the GPU score alike.
part_repeat() {
  [ -d "$data" ] || { echo "== repeat: no dataset at $data, skipped"; return; }
  local precision i backend
  for precision in float32 bf16; do
    for i in 1 2; do
      lines=3 run "repeat-$precision-$i" 60 "$attnunet" train --backend cuda --precision "$precision" --epochs 2 \
        --data "$data" --out "$out/repeat-$precision-$i"
    done
    run "same-$precision" 10 cmp "$out/repeat-$precision-1/last.safetensors" "$out/repeat-$precision-2/last.safetensors"
  done
  for backend in cuda cpu; do
    lines=10 run "evaluate-$backend" 90 "$attnunet" evaluate --backend "$backend" --data "$data" \
      --checkpoint "$out/repeat-float32-1/last.safetensors"
  done
}

part_train() {
  [ -d "$data" ] || { echo "== train: no dataset at $data, skipped"; return; }
  local variant
  for variant in attention4 attention3; do
    lines=8 run "train-$variant" 240 bash -c \
      "time '$attnunet' train --backend cuda --variant $variant --data '$data' --out '$out/run-$variant'"
  done
}

# Less the suites of whole networks, which take too long in it.
part_sanitizers() {
  if ! command -v compute-sanitizer > /dev/null; then
    echo "== sanitizers: no compute-sanitizer, skipped"
    return
  fi
  local tool
  for tool in memcheck initcheck synccheck racecheck; do
    run "$tool" "${SANITIZER_SECONDS:-600}" compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/attnunet_tests" \
      --gtest_brief=1 --gtest_filter="$(gpu_suites)-*UNet*:*Network*:*Trainer*:*Agreement*:*Lockstep*:*Training*"
  done
}

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$out/device.txt"
for part in $parts; do "part_$part"; done
exit "$failed"
