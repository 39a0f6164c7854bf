#!/usr/bin/env bash
# The program for every x86-64 machine holds the host's code once for each instruction set (src/dispatch.cpp). Fails
# where one could run instructions that its machine lacks:
#   1. each copy shows others one symbol, its main: nothing of two copies can be mixed;
#   2. in the copy for x86-64 and in the choice nothing is beyond x86-64 (SSE2), in that for x86-64-v3 nothing AVX-512;
#   3. in every copy, what common code defines is common code's own, for any x86-64, and src/cpu and the simulator have
#      no constructors of global objects: so nothing else runs before the choice;
#   4. where qemu-x86_64 is: a training on emulated processors without AVX and without AVX-512.
#   tools/check_instruction_sets.sh [BUILD_FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0
fail() {
  echo "check_instruction_sets: $1" >&2
  failed=1
}
mapfile -t sets < <(sed -n 's/^ATTNUNET_COPY("\([^"]*\)".*/\1/p' "$build/copies/list.inc" 2> /dev/null)
if [ "${#sets[@]}" -lt 2 ]; then
  echo "check_instruction_sets: $build is for one instruction set: nothing to check"
  exit 0
fi

# Of these objects the functions with instructions beyond x86-64 (VEX, EVEX, BMI), and those with AVX-512.
functions_with() {
  local pattern=$1
  shift
  objdump --disassemble --no-show-raw-insn --wide "$@" | awk -F'\t' -v pattern="$pattern" '
    /^[0-9a-f]+ <.*>:$/ { name = $0; sub(/^[0-9a-f]+ </, "", name); sub(/>:$/, "", name) }
    NF > 1 && $2 ~ pattern { print name }' | sort -u
}
beyond_x86_64='^v[a-z]|%[yz]mm|%k[0-7]|^(andn|bextr|blsi|blsr|blsmsk|bzhi|lzcnt|movbe|mulx|pdep|pext|rorx|sarx|shlx|shrx) '
avx512='%zmm|%k[0-7]|%[xy]mm(1[6-9]|2[0-9]|3[01])'
# Global and weak functions that these objects define.
functions_of() { nm --defined-only --extern-only "$@" | awk 'NF == 3 && $2 ~ /[TW]/ { print $3 }' | sort -u; }

objects_of() { find "$build/CMakeFiles/$1.dir" -name '*.o' | sort; }
mapfile -t common < <(objects_of attnunet_common; objects_of attnunet_pixels; objects_of attnunet_main)
functions_of "${common[@]}" > "$work/common"

for set_name in "${sets[@]}"; do
  copy=$build/copies/$set_name.o
  suffix=${set_name//-/_}
  symbols=$(nm --defined-only --extern-only "$copy" | awk 'NF == 3 { print $3 }')
  [ "$symbols" = "attnunet_main_$suffix" ] || fail "$copy defines more than its main: $(head -n 3 <<< "$symbols" | xargs)"
  functions_with "$beyond_x86_64" "$copy" > "$work/beyond"
  functions_with "$avx512" "$copy" > "$work/avx512"
  echo "$set_name: $(wc -l < "$work/beyond") functions beyond x86-64, $(wc -l < "$work/avx512") of them AVX-512"
  mixed=$(comm -12 "$work/common" "$work/beyond")
  [ -z "$mixed" ] || fail "$copy: common code beyond x86-64: $(head -n 3 <<< "$mixed" | xargs)"
  case $set_name in
    x86-64) [ ! -s "$work/beyond" ] || fail "$copy: beyond x86-64: $(head -n 3 "$work/beyond" | xargs)" ;;
    x86-64-v3) [ -s "$work/beyond" ] || fail "$copy: no AVX2: was it compiled for x86-64-v3?"
               [ ! -s "$work/avx512" ] || fail "$copy: AVX-512: $(head -n 3 "$work/avx512" | xargs)" ;;
    x86-64-v4) [ -s "$work/avx512" ] || fail "$copy: no AVX-512: was it compiled for x86-64-v4?" ;;
  esac
done

choice=$(functions_with "$beyond_x86_64" $(objects_of attnunet))
[ -z "$choice" ] || fail "src/dispatch.cpp: beyond x86-64: $choice"
for object in "$build"/CMakeFiles/attnunet_{cpu,simulator}_*.dir; do
  constructors=$(find "$object" -name '*.o' -exec readelf --sections --wide {} + | grep -E '\.(init_array|ctors)' || true)
  [ -z "$constructors" ] || fail "$object: constructors of global objects: $constructors"
done

# A training of a few steps where neither the processor nor the system has what the others need. Of x86-64 the oldest.
emulate() {
  local processor=$1 set_name=$2 run="$work/run-$1"
  local program=(qemu-x86_64 -cpu "$processor" "$build/attnunet")
  local train=(train --data "$work/data" --out "$run" --variant attention3 --base 2 --size 32 --batch 4 --epochs 1)
  if ! { "${program[@]}" info && "${program[@]}" "${train[@]}"; } > "$work/out" 2> "$work/err"; then
    fail "on an emulated $processor: $(tail -n 1 "$work/err")"
  elif ! grep -q "^instruction set *$set_name " "$work/out"; then
    fail "on an emulated $processor: $(grep '^instruction set' "$work/out")"
  else
    echo "$set_name: trained on an emulated $processor"
  fi
}
if command -v qemu-x86_64 > /dev/null; then
  "$build/attnunet" data synth --out "$work/data" --count 10 --size 32 --seed 1 > /dev/null
  emulate Haswell x86-64-v3
  emulate Opteron_G1 x86-64
else
  echo "check_instruction_sets: no qemu-x86_64 (Debian: qemu-user): nothing emulated"
fi
exit "$failed"
