// The built program, run with arguments; and a small dataset for it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/data/phantom.h"
#include "support/files.h"
#include "support/places.h"
#include "support/process.h"

namespace attnunet {

Finished attnunet_run(std::vector<std::string> arguments, const ProcessOptions& options = {});

/// The exit code, nothing but one line on standard error, and every one of the words in it.
void expect_failure(const Finished& finished, int exit_code, const std::vector<std::string>& words);

void expect_success(const Finished& finished);

/// A folder with a few phantoms in `data`.
struct PhantomFolder {
  TemporaryFolder folder;
  std::string data = (folder / "data").string();

  PhantomFolder() { data::synthesize(data, 20, 32, 5); }
  std::string operator/(const std::string& name) const { return (folder / name).string(); }

  /// `train` with the smallest network, and `more`.
  std::vector<std::string> train(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"train",      "--data",   data, "--out",     out,  "--variant",
                                          "attention3", "--base",   "2",  "--size",    "32", "--batch",
                                          "4",          "--epochs", "2",  "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
};

}  // namespace attnunet
