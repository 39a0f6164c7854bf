// Outputs never replace what a command reads, through the program.
#include "common/app/inputs_kept.h"

#include "support/predict.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

struct InputsKept : Predict {
  std::string data = phantoms.data, run = phantoms / "run";
  std::string best = run + "/best.safetensors";

  void expect_kept(const std::vector<std::string>& arguments, const std::string& option, const fs::path& file) {
    SCOPED_TRACE(option + " " + file.string());
    const std::string before = read_text(file);
    expect_failure(attnunet_run(arguments), 2, {option, file.filename().string(), "choose another name"});
    EXPECT_EQ(read_text(file), before);
  }
};

TEST_F(InputsKept, ByEveryCommand) {
  const fs::path image = fs::path(data) / "benign/benign (1).png";
  expect_kept({"export", "--checkpoint", checkpoint, "--out", run + "/../run/last.safetensors"}, "--out", checkpoint);
  for (const char* option : {"--csv", "--json"}) {
    expect_kept({"evaluate", "--data", data, "--checkpoint", checkpoint, option, checkpoint}, option, checkpoint);
    expect_kept({"evaluate", "--data", data, "--checkpoint", checkpoint, option, image}, option, image);
  }
  expect_kept({"audit", "--data", data, "--checkpoint", checkpoint, "--json", checkpoint}, "--json", checkpoint);
  expect_kept({"audit", "--data", data, "--json", image}, "--json", image);
  expect_kept({"data", "check", "--data", data, "--json", image}, "--json", image);
  expect_kept({"data", "check", "--data", data, "--html", image}, "--html", image);
  expect_kept({"data", "show", "--data", data, "--sheet", image}, "--sheet", image);
  expect_kept({"compare", run, run, "--out", run + "/metrics.csv"}, "--out", run + "/metrics.csv");
  phantom("a.png", 32, 32);
  const std::string input = images + "/a.png";
  expect_kept({"predict", input, "--checkpoint", checkpoint, "--out", out, "--csv", input}, "--csv", input);
  expect_kept({"predict", input, "--checkpoint", checkpoint, "--out", out, "--csv", checkpoint}, "--csv", checkpoint);
}

// The table that names the cases is easily taken for the one to write.
TEST_F(InputsKept, TheTableOfADataset) {
  const std::string table = phantoms / "cases.csv";
  write_text(table, "image,mask\n" + data + "/benign/benign (1).png," + data + "/benign/benign (1)_mask.png\n");
  expect_kept({"evaluate", "--data", table, "--checkpoint", checkpoint, "--subset", "all", "--csv", table}, "--csv",
              table);
  expect_kept({"data", "check", "--data", table, "--json", table}, "--json", table);
}

// A copy with a threshold may be made again, but is no other file that is there.
TEST_F(InputsKept, ChosenThresholdsReplaceNoModel) {
  const auto choose = [&](const std::string& file) {
    return std::vector<std::string>{"evaluate", "--data", data, "--checkpoint", checkpoint, "--choose-threshold", file};
  };
  expect_kept(choose(best), "--choose-threshold", best);
  expect_kept(choose(run + "/config.json"), "--choose-threshold", run + "/config.json");
  for (int i = 0; i < 2; ++i) expect_success(attnunet_run(choose(phantoms / "chosen.safetensors")));
}

// As with the shell's own "> FILE": what is no file is written to, and links are followed.
TEST_F(InputsKept, StandardOutputAndLinks) {
  const Finished finished =
      attnunet_run({"evaluate", "--data", data, "--checkpoint", checkpoint, "--json", "/dev/stdout"});
  expect_success(finished);
  EXPECT_NE(finished.out.find("\n{\n"), std::string::npos) << finished.out;
  write_text(phantoms / "real.json", "");
  fs::create_symlink("real.json", phantoms / "link.json");
  expect_success(
      attnunet_run({"evaluate", "--data", data, "--checkpoint", checkpoint, "--json", phantoms / "link.json"}));
  EXPECT_TRUE(fs::is_symlink(phantoms / "link.json"));
  EXPECT_EQ(read_text(phantoms / "real.json").front(), '{');
}

TEST_F(InputsKept, LoopsOfLinksAreNamed) {
  fs::create_symlink("b", phantoms / "a");
  fs::create_symlink("a", phantoms / "b");
  const Finished finished = attnunet_run({"data", "check", "--data", phantoms / "a"});
  expect_failure(finished, 1, {"symbolic links", phantoms / "a"});
  EXPECT_EQ(finished.err.find("filesystem error"), std::string::npos) << finished.err;
}

// A run's other files are not replaced by what is made of its checkpoint, nor any file that is no model by export.
TEST(FilesOfARun, AreKept) {
  const PhantomFolder phantoms;
  const std::string run = phantoms / "run", last = run + "/last.safetensors", picture = phantoms / "a.png";
  expect_success(attnunet_run(phantoms.train(run)));
  write_text(picture, "text");
  for (const std::string& file : {run + "/best.safetensors", run + "/config.json", run + "/metrics.csv", picture}) {
    const std::string before = read_text(file);
    expect_failure(attnunet_run({"export", "--checkpoint", last, "--out", file}), 2, {file, "choose another name"});
    EXPECT_EQ(read_text(file), before);
  }
  expect_failure(attnunet_run({"evaluate", "--checkpoint", last, "--json", run + "/metrics.csv"}), 2,
                 {"belongs to the run"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
