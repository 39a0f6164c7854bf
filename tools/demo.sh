#!/usr/bin/env bash
# What `make demo` trains: the smaller network on phantoms, or on BUSI where data/BUSI holds it.
set -euo pipefail
cd "$(dirname "$0")/.."

phantoms=(--count 240 --size 64 --seed 1)
train_on_phantoms=(--variant attention3 --base 8 --size 64 --batch 16 --epochs 20)
train_on_busi=(--variant attention3 --base 8 --size 64 --batch 16 --epochs 3)

if [ -d data/BUSI/benign ] && [ -d data/BUSI/malignant ]; then
  exec ./attnunet train --data data/BUSI "${train_on_busi[@]}"
fi
rm -rf data/phantoms
./attnunet data synth --out data/phantoms "${phantoms[@]}"
exec ./attnunet train --data data/phantoms "${train_on_phantoms[@]}"
