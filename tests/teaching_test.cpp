// gradcheck --layer and --verbose: formula, example, both gradients.
#include <algorithm>

#include "common/gradcheck/derivations.h"
#include "support/command_line.h"

namespace attnunet {
namespace {

TEST(Teaching, OneLayerAlone) {
  const Finished finished = attnunet_run({"gradcheck", "--layer", "relu"});
  expect_success(finished);
  EXPECT_NE(finished.out.find("1 gradients checked, 0 wrong"), std::string::npos) << finished.out;
  EXPECT_EQ(finished.out.find("Forward"), std::string::npos) << finished.out;
  expect_failure(attnunet_run({"gradcheck", "--layer", "softmax"}), 2, {"--layer", "batch_norm", "attention_gate"});
}

// The text is that of the header, line by line, and the numbers follow.
TEST(Teaching, VerboseShowsTheDerivationAndAnExample) {
  for (const char* backend : {"cpu", "cuda-sim"}) {
    const Finished finished = attnunet_run({"gradcheck", "--layer", "max_pool", "--verbose", "--backend", backend});
    expect_success(finished);
    const std::string header = read_text(source_folder() + "/src/cpu/max_pool.h");
    std::string expected;
    for (std::size_t at = 0; header.compare(at, 3, "// ") == 0; at = header.find('\n', at) + 1)
      expected += header.substr(at + 3, header.find('\n', at) - at - 2);
    EXPECT_GT(expected.size(), 500u);
    EXPECT_NE(finished.out.find(expected), std::string::npos) << finished.out;
    for (const char* part : {"x [1,4,4,1]", "y [1,2,2,1]", "dy [1,2,2,1]", "analytic", "numeric", "dx[15]", "0 wrong"})
      EXPECT_NE(finished.out.find(part), std::string::npos) << part << " is not in " << finished.out;
  }
}

TEST(Teaching, EveryLayerAndBlockHasItsDerivation) {
  std::vector<std::string> names;
  for (const auto& derivation : gradcheck::derivations()) {
    names.push_back(derivation.layer);
    EXPECT_EQ(read_text(source_folder() + "/" + derivation.file).rfind("// ", 0), 0u) << derivation.file;
  }
  for (const char* name : {"adam",
                           "add",
                           "attention_multiply",
                           "batch_norm",
                           "batch_norm_relu_dropout",
                           "bce",
                           "concat",
                           "conv2d",
                           "conv2d_statistics",
                           "conv_transpose2d",
                           "crop",
                           "dice",
                           "dropout",
                           "edge_pad",
                           "max_pool",
                           "relu",
                           "sigmoid",
                           "double_conv",
                           "attention_gate",
                           "attention_unet"})
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
}

}  // namespace
}  // namespace attnunet
