#!/usr/bin/env bash
# Everything that only a machine with a GPU can show, in one go: the tests, compute-sanitizer on the layer tests, the
# gradient check, speed against PyTorch, and both networks trained on BUSI. Raw output goes to the folder given.
#   tools/run_on_gpu.sh OUT [BUSI_FOLDER]
# Wants the build (make) and, for the comparison, python3 with a torch that knows the GPU. What is missing is skipped by
# name; the exit code is 1 where something failed.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: tools/run_on_gpu.sh OUT [BUSI_FOLDER]}
data=${2:-data/BUSI}
build=${BUILD:-build}
mkdir -p "$out"
failed=0

# part NAME COMMAND...: its output in OUT/NAME.txt, its last lines here.
part() {
  local name=$1 start=$SECONDS status=0
  shift
  "$@" > "$out/$name.txt" 2>&1 || status=$?
  printf '== %s: exit %d, %d s\n' "$name" "$status" $((SECONDS - start))
  tail -n 6 "$out/$name.txt"
  [ "$status" -eq 0 ] || failed=1
}

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$out/device.txt"
# The suites of the GPU, by the type that gtest lists beside their numbers; less those of whole networks.
suites=$("$build/attnunet_tests" --gtest_list_tests | awk '/TypeParam = .*Cuda</ { printf "%s*:", $1 }')
part tests "$build/attnunet_tests" --gtest_brief=1 --gtest_filter="$suites"
if command -v compute-sanitizer > /dev/null; then
  for tool in memcheck racecheck initcheck synccheck; do
    part "$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 "$build/attnunet_tests" --gtest_brief=1 \
      --gtest_filter="$suites-*UNet*:*Network*:*Trainer*:*Agreement*:*Lockstep*"
  done
else
  echo "== compute-sanitizer: not here, skipped"
fi
part gradcheck "$build/attnunet" gradcheck --backend cuda
if python3 -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null; then
  for variant in attention3 attention4; do
    for mode in "float32" "tf32" "bf16 --compile"; do
      # shellcheck disable=SC2086
      part "bench-$variant-${mode// --/-}" python3 tools/bench_pytorch.py --attnunet "$build/attnunet" --backend cuda \
        --variant "$variant" --batch 16 --repeats 20 --rounds 2 --precision $mode
    done
  done
else
  echo "== bench: no torch that knows the GPU, skipped"
fi
for precision in float32 bf16; do
  part "layers-$precision" "$build/attnunet" bench --backend cuda --precision "$precision"
done
if [ -d "$data" ]; then
  for variant in attention3 attention4; do
    part "train-$variant" bash -c "time '$build/attnunet' train --backend cuda --variant $variant --data '$data' --out '$out/run-$variant'"
  done
else
  echo "== train: no dataset at $data, skipped"
fi
exit "$failed"
