#!/usr/bin/env bash
# Makes the pictures of the README, docs/pictures, from phantoms: a panel of the last epoch and the top of report.html.
# Needs ./attnunet (make) and chromium. The panel is the same on every machine; a browser's letters are its own.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
./attnunet data synth --out "$work/phantoms" --count 120 --size 128 --seed 1
./attnunet train --data "$work/phantoms" --variant attention3 --base 8 --size 128 --batch 8 --epochs 12 --out "$work/run"
mkdir -p docs/pictures
cp "$work"/run/epochs/epoch-012-*.png docs/pictures/panel.png
sed "s|$work/||g" "$work/run/report.html" >"$work/report.html"
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --log-level=3 --user-data-dir="$work/profile" \
  --window-size=1000,980 --screenshot="$PWD/docs/pictures/report.png" "file://$work/report.html"
ls -l docs/pictures
