#include "support/command_line.h"

namespace attnunet {

Finished attnunet_run(std::vector<std::string> arguments, const ProcessOptions& options) {
  arguments.insert(arguments.begin(), program());
  return run_process(arguments, options);
}

void expect_failure(const Finished& finished, int exit_code, const std::vector<std::string>& words) {
  EXPECT_EQ(finished.exit_code, exit_code) << finished.out << finished.err;
  EXPECT_FALSE(finished.err.empty());
  EXPECT_EQ(finished.err.find('\n'), finished.err.size() - 1) << "not one line: " << finished.err;
  EXPECT_EQ(finished.err.rfind("attnunet: ", 0), 0u) << finished.err;
  for (const std::string& word : words)
    EXPECT_NE(finished.err.find(word), std::string::npos) << "'" << word << "' is not in: " << finished.err;
}

void expect_success(const Finished& finished) {
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  EXPECT_EQ(finished.err, "");
}

}  // namespace attnunet
