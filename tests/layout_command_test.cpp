// Layouts and what is left out of them, through the program.
#include "support/command_line.h"
#include "support/json.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Phantoms of BUSI's layout moved to train/images/benign/NAME.png, train/masks/benign/NAME_mask.png, ...; every fourth
/// of them validates.
struct MovedPhantoms : PhantomFolder {
  MovedPhantoms() {
    const std::string moved = (folder / "moved").string();
    const data::Dataset dataset = data::scan(data);
    for (std::size_t i = 0; i < dataset.cases.size(); ++i) {
      const data::Case& one = dataset.cases[i];
      const fs::path part = fs::path(moved) / (i % 4 == 0 ? "val" : "train");
      fs::create_directories(part / "images" / one.class_name);
      fs::create_directories(part / "masks" / one.class_name);
      fs::rename(one.image, part / "images" / one.class_name / one.image.filename());
      for (const fs::path& mask : one.masks) fs::rename(mask, part / "masks" / one.class_name / mask.filename());
    }
    write_text(fs::path(moved) / "notes.txt", "x");
    write_text(fs::path(moved) / "train/images/benign/b.nii.gz", "x");
    write_text(fs::path(moved) / "train/images/.DS_Store", "x");
    data = moved;
  }
};

void expect_in(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in:\n" << text;
}

TEST(LayoutCommands, TrainTakesAndNamesTheLayoutItsSplitAndWhatIsLeftOut) {
  const MovedPhantoms set;
  const Finished finished = attnunet_run(set.train(set / "run"));
  expect_success(finished);
  expect_in(finished.out, "layout: folders of images and of masks, 20 cases in 3 classes, 15 train, 5 val");
  expect_in(finished.out, "20 cases, 15 for training, 5 for validation");
  expect_in(finished.out, "2 files of 2 kinds were left out: 1 .nii.gz");
  const Json config = read_json(set / "run/config.json");
  EXPECT_EQ(config["split"], "dataset");

  // What scores a checkpoint says it too, behind the line that tells what is scored or the warning.
  const std::string checkpoint = set / "run/last.safetensors";
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"evaluate"}, {"evaluate", "--subset", "train"}, {"audit"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--checkpoint", checkpoint, "--threads", "1"});
    const Finished scored = attnunet_run(arguments);
    expect_success(scored);
    expect_in(scored.out, "\nlayout: folders of images and of masks, 20 cases in 3 classes, 15 train, 5 val\n");
    expect_in(scored.out, "\n2 files of 2 kinds were left out: 1 .nii.gz");
    const std::string first = command.size() > 1 || command[0] == "audit" ? "warning: 15 of " : checkpoint;
    EXPECT_EQ(scored.out.rfind(first, 0), 0u) << scored.out;
  }
}

TEST(LayoutCommands, DataCheckNamesTheLayoutAndWhatIsLeftOut) {
  const MovedPhantoms set;
  const Finished finished = attnunet_run({"data", "check", "--data", set.data, "--json", set / "check.json"});
  expect_success(finished);
  expect_in(finished.out, "layout: folders of images and of masks, 20 cases in 3 classes, 15 train, 5 val");
  expect_in(finished.out, "2 files of 2 kinds were left out: 1 .nii.gz");
  expect_in(finished.out, "leakage of the split");
  const Json found = read_json(set / "check.json");
  EXPECT_EQ(found["left_out"], (Json{"notes.txt", "train/images/benign/b.nii.gz"}));
  EXPECT_EQ(found["leakage"]["validation_cases"], 5);
}

TEST(LayoutCommands, TrainNamesClassesThatDoNotValidate) {
  const PhantomFolder phantoms;
  EXPECT_EQ(attnunet_run(phantoms.train(phantoms / "all")).out.find("no validation case is of class"),
            std::string::npos);
  std::string train, val;
  for (const data::Case& one : data::scan(phantoms.data).cases)
    (one.class_name == "benign" || train.size() < val.size() ? train : val) += one.name + "\n";
  write_text(phantoms / "train.txt", train);
  write_text(phantoms / "val.txt", val);
  const Finished finished = attnunet_run(
      phantoms.train(phantoms / "run", {"--train-list", phantoms / "train.txt", "--val-list", phantoms / "val.txt"}));
  expect_success(finished);
  expect_in(finished.out, "warning: no validation case is of class 'benign', which has ");
}

TEST(LayoutCommands, DataShowWritesCasesOfOneNameIntoFilesOfTheirOwn) {
  const MovedPhantoms set;
  fs::create_directories(fs::path(set.data) / "test");
  for (const char* folder : {"images", "masks"})
    fs::copy(fs::path(set.data) / "train" / folder, fs::path(set.data) / "test" / folder, fs::copy_options::recursive);
  fs::remove(fs::path(set.data) / "test/images/benign/b.nii.gz");
  const Finished finished = attnunet_run({"data", "show", "--data", set.data, "--out", set / "shown"});
  expect_success(finished);
  expect_in(finished.out, "layout: folders of images and of masks, 35 cases in 3 classes, 15 train, 5 val, 15 test");
  std::size_t pictures = 0;
  for (const auto& entry : fs::recursive_directory_iterator(set / "shown")) pictures += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(pictures, 35u);  // 15 of them twice
}

}  // namespace TEST_FILE
}  // namespace attnunet
