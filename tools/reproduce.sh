#!/usr/bin/env bash
# tools/reproduce.sh paper|ablation|benchmark|best [options]: trains what the README's results come from, and prints the
# tables. See tools/reproduce.py --help.
exec python3 "$(dirname "$0")/reproduce.py" "$@"
