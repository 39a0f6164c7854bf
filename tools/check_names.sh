#!/usr/bin/env bash
# check_names.sh [TREE]: fails if two files of one folder of TREE/src define a struct, class or enumeration of the same
# name: a reader would have to know which one is meant. Only names outside of other structs count. TREE is this
# repository unless given.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}/src"

# Every command of common/app has its Options.
find . -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) | sed 's#^\./##' | sort | xargs awk '
/^(struct|class|enum|enum class|union) / && /[{]$|[{] *\/\/|[{].*[}];/ {
  text = $0
  sub(/^(enum class|struct|class|enum|union) +(alignas\([^)]*\) *)?/, "", text)
  if (!match(text, /^[A-Za-z_][A-Za-z_0-9]*/)) next
  name = substr(text, 1, RLENGTH)
  if (substr(text, RLENGTH + 1, 1) ~ /[<:]/) next  # a specialisation, or nested in another
  folder = FILENAME
  if (!sub(/\/[^\/]*$/, "", folder)) folder = "."
  if (folder == "common/app" && name == "Options") next
  names += !((folder, name) in file)
  if ((folder, name) in file && file[folder, name] != FILENAME) {
    print "check_names: src/" FILENAME ":" FNR ": " name " is also defined in src/" file[folder, name] > "/dev/stderr"
    failed = 1
  }
  if (!((folder, name) in file)) file[folder, name] = FILENAME
}
END {
  if (failed) exit 1
  print "check_names: " names " names of types, none twice in a folder"
}'
