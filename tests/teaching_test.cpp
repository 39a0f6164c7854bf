// gradcheck --layer and --verbose: formula, example, both gradients.
#include <algorithm>

#include "common/gradcheck/derivations.h"
#include "common/gradcheck/elements.h"
#include "common/gradcheck/examples.h"
#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/backends.h"
#include "support/command_line.h"
#include "support/networks.h"

namespace attnunet {
namespace TEST_FILE {

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
    for (std::size_t at = 0; header.compare(at, 2, "//") == 0; at = header.find('\n', at) + 1) {
      const std::string line = header.substr(at, header.find('\n', at) - at);
      expected += line.substr(std::min<std::size_t>(line.size(), 3)) + "\n";
    }
    EXPECT_GT(expected.size(), 500u);
    EXPECT_NE(finished.out.find(expected), std::string::npos) << finished.out;
    for (const char* part : {"x [1,4,4,1]", "y [1,2,2,1]", "dy [1,2,2,1]", "analytic", "numeric", "dx[15]", "0 wrong"})
      EXPECT_NE(finished.out.find(part), std::string::npos) << part << " is not in " << finished.out;
  }
}

template <class B>
class Examples : public SmallNetworkTest<B> {};
TYPED_TEST_SUITE(Examples, DoubleBackends);

// No example lies on a kink, and in each the two gradients agree.
TYPED_TEST(Examples, AreRightAndSmooth) {
  for (const gradcheck::Example& example : gradcheck::examples<TypeParam>(this->device)) {
    SCOPED_TRACE(example.layer);
    std::vector<gradcheck::Array> upstream;
    Random random(3);
    for (const auto& output : example.layer_case.forward(example.layer_case.inputs).outputs)
      upstream.push_back(gradcheck::random_array("", static_cast<Index>(output.values.size()), random));
    for (const auto& table : gradcheck::compare_elements(example.layer_case, upstream)) {
      EXPECT_LE(table.elements.size(), 16u) << table.tensor;
      for (const auto& element : table.elements) {
        EXPECT_FALSE(element.at_kink) << table.tensor;
        EXPECT_NEAR(element.analytic, element.numeric, 1e-6 * std::max(table.largest_gradient, 1e-3)) << table.tensor;
      }
    }
  }
}

// Files, pages, links and formulas of every layer.
TEST(Teaching, LayersAreComplete) {
  const Finished finished = run_process({source_folder() + "/tools/check_layers.sh"});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
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
                           "clip_norm",
                           "concat",
                           "conv2d",
                           "conv2d_statistics",
                           "conv_transpose2d",
                           "crop",
                           "dice",
                           "dropout",
                           "edge_pad",
                           "ema",
                           "focal",
                           "max_pool",
                           "relu",
                           "sigmoid",
                           "tversky",
                           "double_conv",
                           "attention_gate",
                           "attention_unet"})
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
}

}  // namespace TEST_FILE
}  // namespace attnunet
