// Enumerations whose values have names: what the command line, config.json, checkpoints and help call them.
//
// Every such enumeration has one table, declared beside it:
//   enum class Precision { float32, tf32, bf16 };
//   template <>
//   struct Names<Precision> {
//     static constexpr const char* option = "precision";
//     static constexpr Name<Precision> table[] = {{Precision::float32, "float32"}, ...};
//   };
// The parser, validation, JSON and help read that table and no other, so a new value needs one more row. Text becomes a
// value only through parse(), which refuses what is not in the table. A switch over the values names all of them, has
// no default (-Wswitch then reports a missing one) and is followed by a call of no_such_value().
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "common/core/error.h"
#include "common/core/quoting.h"

namespace attnunet {

template <class E>
struct Name {
  E value;
  const char* text;
};

/// Specialised for each enumeration.
template <class E>
struct Names;

/// For a number that is none of the enumeration's values: a mistake in the program.
template <class E>
[[noreturn]] void no_such_value(E value) {
  throw std::logic_error(std::string("--") + Names<E>::option + " has no value number " +
                         std::to_string(static_cast<long long>(value)));
}

template <class E>
const char* name_of(E value) {
  for (const Name<E>& one : Names<E>::table)
    if (one.value == value) return one.text;
  no_such_value(value);
}

/// All names, in the order of the table.
template <class E>
std::vector<std::string> names_of() {
  std::vector<std::string> names;
  for (const Name<E>& one : Names<E>::table) names.push_back(one.text);
  return names;
}

/// Throws UsageError, naming the option and what it may be, for a name that is not in the table.
template <class E>
E parse(const std::string& text) {
  std::string list;
  for (const Name<E>& one : Names<E>::table) {
    if (text == one.text) return one.value;
    list += (list.empty() ? "" : ", ") + std::string(one.text);
  }
  throw UsageError(std::string("--") + Names<E>::option + " " + quoted_excerpt(text) + " is unknown: one of " + list);
}

}  // namespace attnunet
