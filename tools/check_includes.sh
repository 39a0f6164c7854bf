#!/usr/bin/env bash
# check_includes.sh [TREE]: whether the includes in TREE/src follow the table of folders in TREE/src/README.md. Names every
# include that points up (to a folder later in the table) or to a folder that its row does not list, every circle of
# folders, and every folder that only the table or only src has. TREE is this repository unless given.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}/src"

find . -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' \) | sed 's#^\./##' | sort | awk '
function problem(text) {
  print "check_includes: " text > "/dev/stderr"
  problems++
}

# The row of the table that a file belongs to, with all below its folder; "" if there is none.
function folder_of(file) {
  if (file !~ /\//) return "." in place ? "." : ""
  while (sub(/\/[^\/]*$/, "", file)) if (file in place) return file
  return ""
}

# | `folder` | ... | `may include` `these` |
function read_row(row,   cells, cell, count, part, i) {
  cells = split(row, cell, "|")
  split(cell[2], part, "`")
  name[++folders] = part[2]
  place[part[2]] = folders
  count = split(cell[cells - 1], part, "`")
  for (i = 2; i <= count; i += 2) {
    may[name[folders], part[i]] = 1
    if (!(part[i] in place)) problem("src/README.md lists " part[i] " for " name[folders] ", but " name[folders] " comes first")
  }
  if (cell[cells - 1] ~ /^ *all *$/) for (i = 1; i < folders; i++) may[name[folders], name[i]] = 1
}

# The shortest way from one folder to another along includes, as "a -> b -> c"; "" if there is none.
function way(from, to,   queue, first, last, at, i, before, text) {
  queue[first = last = 1] = before[from] = from
  for (; first <= last; first++) {
    at = queue[first]
    if (at == to) {
      for (text = at; at != from; text = at " -> " text) at = before[at]
      return text
    }
    for (i = 1; i <= folders; i++)
      if ((at, name[i]) in seen && !(name[i] in before)) {
        before[name[i]] = at
        queue[++last] = name[i]
      }
  }
  return ""
}

BEGIN {
  while ((getline text < "README.md") > 0) if (text ~ /^\| `/) read_row(text)
  if (folders == 0) problem("src/README.md has no table of folders")
}
{
  files[++file_count] = $0
  exists[$0] = 1
  if (folder_of($0) == "") problem("src/" $0 ": its folder is not in src/README.md")
  used[folder_of($0)] = 1
}
END {
  for (i = 1; i <= folders; i++)
    if (!(name[i] in used)) problem("src/README.md has the folder " name[i] ", which holds no source")
  for (f = 1; f <= file_count; f++) {
    a = folder_of(files[f])
    for (number = 1; (getline text < files[f]) > 0; number++) {
      if (text !~ /^[ \t]*#[ \t]*include[ \t]*"/) continue
      split(text, part, "\"")
      includes++
      b = folder_of(part[2])
      what = "src/" files[f] ":" number " includes " part[2]
      if (!(part[2] in exists)) problem(what ", which is no file of src")
      else if (a != "" && b != "" && a != b) {
        seen[a, b] = 1
        if (place[b] > place[a]) problem(what ", which points up: in src/README.md " b " comes after " a)
        else if (!((a, b) in may)) problem(what ": src/README.md does not list " b " for " a)
      }
    }
    close(files[f])
  }
  # Every circle has an include that points up, so the shortest way back from each of those shows them all.
  for (i = 1; i <= folders; i++)
    for (j = i + 1; j <= folders; j++)
      if ((name[i], name[j]) in seen && (back = way(name[j], name[i])) != "")
        problem("circle of folders: " name[i] " -> " back)
  if (problems > 0) exit 1
  print "check_includes: " includes " includes in " file_count " files, none points up"
}'
