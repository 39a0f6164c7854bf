// `attnunet compare` as a program.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/command_line.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

class CompareCommand : public ::testing::Test {
 protected:
  CompareCommand() {
    expect_success(attnunet_run(phantoms.train(phantoms / "a/run", {"--panels", "0"})));
    expect_success(attnunet_run(phantoms.train(phantoms / "b", {"--panels", "0", "--lr", "0.01"})));
    // Two epochs here, one there: curves of different lengths.
    const std::string csv = read_text(phantoms / "b/metrics.csv");
    write_text(phantoms / "b/metrics.csv", csv.substr(0, csv.rfind('\n', csv.size() - 2) + 1));
  }
  PhantomFolder phantoms;
};

TEST_F(CompareCommand, WritesOnePage) {
  fs::copy(phantoms / "a", phantoms / "c", fs::copy_options::recursive);
  const Finished finished = attnunet_run(
      {"compare", phantoms / "a/run", phantoms / "b/", phantoms / "c/run", "--out", phantoms / "page.html"});
  expect_success(finished);
  EXPECT_NE(finished.out.find("page.html"), std::string::npos);
  const std::string page = read_text(phantoms / "page.html");
  const auto has = [&](const std::string& part) { return page.find(part) != std::string::npos; };
  EXPECT_TRUE(has("<th class=\"l\">result</th><th>" + (phantoms / "a/run") + "</th><th>b</th><th>" +
                  (phantoms / "c/run") + "</th>"));
  EXPECT_TRUE(has("<td class=\"l\">epochs done</td><td>2</td><td>1</td><td>2</td>"));
  EXPECT_TRUE(has("<tr class=\"differs\"><td class=\"l\">lr</td><td class=\"l\">0.001</td><td class=\"l\">0.01</td>"));
  EXPECT_FALSE(has("<tr class=\"differs\"><td class=\"l\">base</td>"));
  EXPECT_TRUE(has("<tr><td class=\"l\">base</td>"));
  std::size_t charts = 0;
  for (std::size_t at = page.find("<polyline"); at != std::string::npos; at = page.find("<polyline", at + 1)) ++charts;
  EXPECT_EQ(charts, 9u * 3u);
}

// Which loss is the lower one means something only if both runs have the same, down to its numbers.
TEST_F(CompareCommand, LossesCompareIfTheyAreTheSame) {
  const auto best_is_marked = [&](const std::string& of_a, const std::string& of_b) {
    for (const auto& [run, loss] : {std::pair{"a/run", of_a}, {"b", of_b}}) {
      const std::string file = phantoms / (run + std::string("/config.json"));
      std::string config = read_text(file);
      const std::size_t begin = config.find("\"loss\""), end = config.find("\"augment\"");
      write_text(file, config.replace(begin, end - begin, loss));
    }
    expect_success(attnunet_run({"compare", phantoms / "a/run", phantoms / "b", "--out", phantoms / "page.html"}));
    const std::string page = read_text(phantoms / "page.html");
    const std::size_t row = page.find("validation loss, last epoch");
    return page.substr(row, page.find("</tr>", row) - row).find("<b>") != std::string::npos;
  };
  EXPECT_TRUE(best_is_marked("\"loss\": \"bce\", ", "\"loss\": \"bce\", "));
  EXPECT_FALSE(best_is_marked("\"loss\": \"bce\", ", "\"loss\": \"focal\", \"focal-gamma\": 2.0, "));
  EXPECT_TRUE(
      best_is_marked("\"loss\": \"tversky\", \"tversky-fn\": 0.7, ", "\"loss\": \"tversky\", \"tversky-fn\": 0.7, "));
  EXPECT_FALSE(
      best_is_marked("\"loss\": \"tversky\", \"tversky-fn\": 0.7, ", "\"loss\": \"tversky\", \"tversky-fn\": 0.6, "));
}

TEST_F(CompareCommand, FoldersThatHoldNoRun) {
  const std::string a = phantoms / "a/run", b = phantoms / "b", out = phantoms / "page.html";
  const auto compare = [&](const std::string& run) { return attnunet_run({"compare", a, run, "--out", out}); };
  expect_failure(compare(phantoms / "none"), 1, {"none", "config.json"});
  expect_failure(compare(phantoms.data), 1, {"data", "not the folder of a run"});
  write_text(b + "/config.json", "{\"variant\": \"attention9\", \"base\": 2}");
  expect_failure(compare(b), 1, {"b/config.json"});
  write_text(b + "/config.json", "[");
  expect_failure(compare(b), 1, {"b/config.json"});
  fs::copy_file(a + "/config.json", b + "/config.json", fs::copy_options::overwrite_existing);
  const std::string csv = read_text(b + "/metrics.csv");
  write_text(b + "/metrics.csv", csv.substr(0, csv.find('\n') + 1));
  expect_failure(compare(b), 1, {"no finished epoch"});
  write_text(b + "/metrics.csv", csv + "2,1\n");
  expect_failure(compare(b), 1, {"b/metrics.csv"});
  EXPECT_FALSE(fs::exists(out));
  expect_failure(attnunet_run({"compare", a}), 2, {"RUN"});
  expect_failure(attnunet_run({"compare", a, a, "--out", phantoms / "none/x.html"}), 1, {"none/x.html"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
