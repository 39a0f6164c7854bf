// The plain U-Net through every command that treats a network: those that show gates leave them out or say so.
#include "common/train/checkpoint.h"
#include "support/command_line.h"
#include "support/json.h"

namespace attnunet {
namespace TEST_FILE {

struct UNetCommand : testing::Test {
  PhantomFolder phantoms;
  std::string run = phantoms / "run", checkpoint = phantoms / "run/last.safetensors", out = phantoms / "out";

  UNetCommand() { expect_success(attnunet_run(train(run))); }

  std::vector<std::string> train(const std::string& folder, const std::string& epochs = "2") const {
    std::vector<std::string> arguments = phantoms.train(folder, {"--panels", "1"});
    std::replace(arguments.begin(), arguments.end(), std::string("attention3"), std::string("unet3"));
    *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = epochs;
    return arguments;
  }
  Finished predict(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {
        "predict", "--checkpoint", checkpoint, "--out", out, phantoms.data + "/benign/benign (1).png"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return attnunet_run(arguments);
  }
};

TEST_F(UNetCommand, PredictsAndExplainsWithoutAttentionMaps) {
  expect_success(predict({"--overlay", "--gradcam", "--gradcam-layer", "encoder.1", "--tta"}));
  EXPECT_TRUE(std::filesystem::exists(out + "/benign (1)_mask.png"));
  EXPECT_TRUE(std::filesystem::exists(out + "/benign (1)_gradcam.png"));
  std::filesystem::remove_all(out);
  expect_failure(predict({"--attention"}), 2, {"--attention", "unet3 has none", "--gradcam"});
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(UNetCommand, RunFolderNamesTheNetworkAndShowsNoGates) {
  EXPECT_EQ(read_json(run + "/config.json")["variant"], "unet3");
  const std::string page = read_text(run + "/report.html");
  EXPECT_NE(page.find("unet3"), std::string::npos);
  EXPECT_NE(page.find("Grad-CAM lies over the image"), std::string::npos);
  EXPECT_EQ(page.find("attention"), std::string::npos);
  EXPECT_EQ(page.find("gate."), std::string::npos);
}

TEST_F(UNetCommand, ResumesToTheSameBits) {
  const std::string halves = phantoms / "halves";
  expect_success(attnunet_run(train(halves, "1")));
  expect_success(attnunet_run(
      {"train", "--resume", halves + "/last.safetensors", "--data", phantoms.data, "--epochs", "2", "--threads", "1"}));
  const Checkpoint whole = load_checkpoint(checkpoint), resumed = load_checkpoint(halves + "/last.safetensors");
  EXPECT_EQ(resumed.parameters, whole.parameters);
  EXPECT_EQ(resumed.adam_v, whole.adam_v);
}

TEST_F(UNetCommand, OtherCommandsKnowIt) {
  expect_success(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--data", phantoms.data}));
  expect_failure(
      attnunet_run({"evaluate", "--checkpoint", checkpoint, "--data", phantoms.data, "--variant", "attention3"}), 1,
      {checkpoint, "unet3 with base 2"});
  const Finished info = attnunet_run({"info", "--checkpoint", checkpoint});
  expect_success(info);
  EXPECT_NE(info.out.find("network        unet3, base 2"), std::string::npos) << info.out;
  const std::string onnx = phantoms / "model.onnx";
  const Finished exported = attnunet_run({"export", "--checkpoint", checkpoint, "--out", onnx});
  expect_success(exported);
  EXPECT_NE(exported.out.find("unet3, base 2"), std::string::npos) << exported.out;
  EXPECT_EQ(read_text(onnx).find("Attention"), std::string::npos);
}

}  // namespace TEST_FILE
}  // namespace attnunet
