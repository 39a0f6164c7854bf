#!/usr/bin/env bash
# A layer is a strip of files with one name: src/cpu/X.{h,cpp}, tests/X_test.cpp, where it has a backward pass
# src/common/gradcheck/cases/X.h, a page docs/layers/X.md, tests of its formulas in tests/formulas_test.cpp, and once there
# are CUDA kernels src/cuda/X.{h,cu}. Fails naming each that is missing, a link of a page that leads nowhere and a page that
# is not in the index. The files of src/cpu that are not layers are named here.
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
  layers=$((layers + 1))
  need "$source" "src/cpu/$name.h"
  need "$source" "tests/${name}_test.cpp"
  need "$source" "docs/layers/$name.md"
  # A test of each line of its derivation, where it has one: batch_norm -> FormulaBatchNorm.
  formula=Formula$(sed -E 's/(^|_)([a-z])/\u\2/g' <<< "$name")
  if [[ " batch_input segmentation_counts " != *" $name "* ]] && ! grep -qE "TEST(_P)?\($formula," tests/formulas_test.cpp; then
    echo "check_layers: $source has no $formula in tests/formulas_test.cpp" >&2
    failed=1
  fi
  if grep -q '_backward[a-z_]*(' "src/cpu/$name.h"; then need "$source" "src/common/gradcheck/cases/$name.h"; fi
  if [ -n "$cuda" ]; then
    need "$source" "src/cuda/$name.h"
    need "$source" "src/cuda/$name.cu"
  fi
done
for page in docs/layers/*.md; do
  while read -r link; do need "$page" "docs/layers/$link"; done < <(grep -o '](\.*[a-zA-Z0-9_./]*)' "$page" | tr -d ']()')
  if ! grep -q "($(basename "$page"))" docs/layers/README.md && [ "$page" != docs/layers/README.md ]; then
    echo "check_layers: $page is not in docs/layers/README.md" >&2
    failed=1
  fi
done
[ "$failed" -eq 0 ] && echo "check_layers: $layers layers, each with all its files"
exit "$failed"
