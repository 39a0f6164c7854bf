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

inline Finished attnunet_run(std::vector<std::string> arguments, const ProcessOptions& options = {}) {
  arguments.insert(arguments.begin(), program());
  return run_process(arguments, options);
}

/// The exit code, nothing but one line on standard error, and every one of the words in it.
inline void expect_failure(const Finished& finished, int exit_code, const std::vector<std::string>& words) {
  EXPECT_EQ(finished.exit_code, exit_code) << finished.out << finished.err;
  EXPECT_FALSE(finished.err.empty());
  EXPECT_EQ(finished.err.find('\n'), finished.err.size() - 1) << "not one line: " << finished.err;
  EXPECT_EQ(finished.err.rfind("attnunet: ", 0), 0u) << finished.err;
  for (const std::string& word : words)
    EXPECT_NE(finished.err.find(word), std::string::npos) << "'" << word << "' is not in: " << finished.err;
}

inline void expect_success(const Finished& finished) {
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  EXPECT_EQ(finished.err, "");
}

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
