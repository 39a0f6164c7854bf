#include "common/app/default_model.h"

#include <gtest/gtest.h>

#include "support/predict.h"

namespace attnunet {
namespace TEST_FILE {

// The program finds its model from where it lies itself: in a build folder, and installed.
TEST_F(Predict, UsesTheModelThatLiesBesideTheProgram) {
  phantom("a.png", 40, 40);
  const std::string tree = phantoms / "tree";
  for (const auto& [binaries, models] : {std::pair{"build", "models"}, std::pair{"bin", "share/attnunet"}}) {
    const std::filesystem::path copy = tree + "/" + binaries + "/attnunet", model = tree + "/" + models;
    std::filesystem::create_directories(copy.parent_path());
    std::filesystem::create_directories(model);
    std::filesystem::create_symlink(copy, phantoms / binaries);
    std::filesystem::copy_file(program(), copy);
    const auto predict = [&] { return run_process({phantoms / binaries, "predict", images, "--out", out}); };
    expect_failure(predict(), 2, {"needs --checkpoint or --ensemble", tree + "/models", tree + "/share/attnunet"});
    std::filesystem::copy_file(checkpoint, model / "attention4-busi.safetensors");
    const Finished finished = predict();
    expect_success(finished);
    EXPECT_EQ(finished.out.find("Model: " + (model / "attention4-busi.safetensors").string()), 0u) << finished.out;
    std::filesystem::remove_all(tree);
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
