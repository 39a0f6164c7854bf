#!/bin/sh
# Fetches BUSI, the breast ultrasound dataset of Al-Dhabyani et al. 2020, checks it and unpacks it as data/BUSI.
#   tools/get_busi.sh [FOLDER]     FOLDER: where to put it (default: data/BUSI beside this script's folder)
# BUSI_URL and BUSI_SHA256 in the environment replace the official address and checksum.
set -eu

url=${BUSI_URL:-https://scholar.cu.edu.eg/Dataset_BUSI.zip}
sha256=${BUSI_SHA256:-b2ce09f6063a31a73f628b6a6ee1245187cbaec225e93e563735691d68654de7}
inside=Dataset_BUSI_with_GT
target=${1:-$(dirname "$0")/../data/BUSI}

fail() {
  echo "get_busi: $*" >&2
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

if [ -e "$target" ]; then fail "$target exists already; remove it to fetch the dataset again"; fi
mkdir -p "$(dirname "$target")" || fail "cannot make the folder $(dirname "$target")"

# Everything happens in a folder beside the target, which is removed whatever happens.
work=$(mktemp -d "$(dirname "$target")/.get_busi.XXXXXX") || fail "cannot write to $(dirname "$target")"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "fetching $url"
if has curl; then
  curl --fail --location --silent --show-error --output "$work/busi.zip" "$url" || fail "cannot fetch $url"
elif has wget; then
  wget --quiet --output-document="$work/busi.zip" "$url" || fail "cannot fetch $url"
else
  fail "needs curl or wget; install one of them"
fi

if has sha256sum; then
  found=$(sha256sum "$work/busi.zip")
else
  found=$(shasum -a 256 "$work/busi.zip")
fi
found=${found%% *}
[ "$found" = "$sha256" ] ||
  fail "what $url gave has SHA-256 $found, expected $sha256; fetch again, or set BUSI_SHA256 if you trust it"

if has unzip; then
  unzip -q "$work/busi.zip" -d "$work" || fail "cannot unpack what $url gave"
elif has python3; then
  python3 -m zipfile -e "$work/busi.zip" "$work" || fail "cannot unpack what $url gave"
else
  fail "needs unzip or python3; install one of them"
fi
[ -d "$work/$inside/benign" ] || fail "the archive of $url holds no $inside/benign; is it BUSI?"

mv "$work/$inside" "$target" || fail "cannot move the dataset to $target"
echo "BUSI is at $target"
