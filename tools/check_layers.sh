#!/usr/bin/env bash
# A layer is a strip of files with one name: src/cpu/X.{h,cpp}, tests/X_test.cpp, a page docs/layers/X.md, where it has a
# backward pass src/common/gradcheck/cases/X.h, and once there are CUDA kernels src/cuda/X.{h,cu}. Fails naming each that is
# missing. src/cpu/X_reference.{h,cpp} are the plain loops of layer X: part of X, not a layer. The other files of src/cpu that are
# not layers are named here. (tests/docs_test.cpp holds the pages' links and formulas.)
# Also fails where check_includes.sh does: on includes that point up.
set -euo pipefail
cd "$(dirname "$0")/.."

helpers=" conv2d_direct conv2d_pointwise conv2d_winograd device machine_peaks matrix_product weight_gradient "

failed=0
need() {
  [ -e "$2" ] && return
  echo "check_layers: $1 has no $2" >&2
  failed=1
}

cuda=$(find src -path 'src/cuda/*.cu' -print -quit)
layers=0
for source in src/cpu/*.cpp; do
  name=$(basename "$source" .cpp)
  [[ $helpers == *" $name "* ]] && continue
  if [[ $name == *_reference ]]; then
    need "$source" "src/cpu/$name.h"
    need "$source" "src/cpu/${name%_reference}.h"
    continue
  fi
  layers=$((layers + 1))
  need "$source" "src/cpu/$name.h"
  need "$source" "tests/${name}_test.cpp"
  need "$source" "docs/layers/$name.md"
  if grep -q '_backward[a-z_]*(' "src/cpu/$name.h"; then need "$source" "src/common/gradcheck/cases/$name.h"; fi
  if [ -n "$cuda" ]; then
    need "$source" "src/cuda/$name.h"
    need "$source" "src/cuda/$name.cu"
  fi
done
tools/check_includes.sh || failed=1
[ "$failed" -eq 0 ] && echo "check_layers: $layers layers, each with all its files"
exit "$failed"
