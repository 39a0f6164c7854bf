#!/usr/bin/env bash
# What `make demo` runs: the smaller network is trained on phantoms, or on BUSI if data/BUSI holds it; then the model that
# comes with the project marks two phantoms.
set -euo pipefail
cd "$(dirname "$0")/.."

phantoms=(--count 240 --size 64 --seed 1)
train_on_phantoms=(--variant attention3 --base 8 --size 64 --batch 16 --epochs 20)
train_on_busi=(--variant attention3 --base 8 --size 64 --batch 16 --epochs 3)

if [ -d data/BUSI/benign ] && [ -d data/BUSI/malignant ]; then
  ./attnunet train --data data/BUSI "${train_on_busi[@]}"
else
  rm -rf data/phantoms
  ./attnunet data synth --out data/phantoms "${phantoms[@]}"
  ./attnunet train --data data/phantoms "${train_on_phantoms[@]}"
fi

# The model that comes with the project, trained on BUSI, on two phantoms of its own size.
rm -rf data/shown
./attnunet data synth --out data/shown --count 2 --size 256 --seed 2
out=runs/demo-masks
rm -rf "$out"
./attnunet predict data/shown --out "$out" --overlay
echo "What the model that comes with attnunet marks on two phantoms: $(find "$out" -name '*_overlay.png' | sort | tr '\n' ' ')"
