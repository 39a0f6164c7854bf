// Two kinds of failure, told apart by the exit code: the work failed (1) or the program was called wrongly (2).
#pragma once

#include <stdexcept>
#include <string>

namespace attnunet {

/// The work failed. The message is one line: what is wrong, in which file, and what to do.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The program was called wrongly (exit code 2). The message names the option and its allowed range.
class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace attnunet
