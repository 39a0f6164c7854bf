// The smallest network, trained, and `predict` with it on images that a test makes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "common/data/png.h"
#include "support/command_line.h"
#include "support/png_reader.h"

namespace attnunet {

/// A checkpoint of the smallest network, trained until it marks something, and a folder of images for it.
struct Predict : testing::Test {
  PhantomFolder phantoms;
  std::string checkpoint = phantoms / "run/last.safetensors", images = phantoms / "images", out = phantoms / "out";

  Predict() {
    expect_success(attnunet_run(phantoms.train(phantoms / "run", {"--lr", "0.01", "--loss", "bce+dice"})));
    std::filesystem::create_directories(images);
  }

  Finished predict(std::vector<std::string> arguments, const ProcessOptions& options = {}) const {
    const std::vector<std::string> first = {"predict", "--checkpoint", checkpoint, "--out", out};
    arguments.insert(arguments.begin(), first.begin(), first.end());
    return attnunet_run(arguments, options);
  }
  void phantom(const std::string& name, int width, int height, std::uint32_t number = 0) const {
    const std::filesystem::path path = std::filesystem::path(images) / name;
    std::filesystem::create_directories(path.parent_path());
    data::write_png(path, data::make_phantom("benign", width, height, 7, number).image);
  }
  data::Grey result(const std::string& name) const { return data::read_luma(std::filesystem::path(out) / name); }

  static std::set<std::string> files_below(const std::filesystem::path& folder) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
      if (!entry.is_directory()) names.insert(std::filesystem::relative(entry.path(), folder).string());
    return names;
  }
  static std::vector<std::map<std::string, std::string>> rows_of(const std::filesystem::path& csv) {
    std::istringstream stream(read_text(csv));
    const auto cells_of = [](const std::string& line) {
      std::vector<std::string> cells;
      std::istringstream cell_stream(line + ",");
      for (std::string cell; std::getline(cell_stream, cell, ',');) cells.push_back(cell);
      return cells;
    };
    std::vector<std::string> head;
    std::vector<std::map<std::string, std::string>> rows;
    for (std::string line; std::getline(stream, line);) {
      const std::vector<std::string> cells = cells_of(line);
      if (head.empty()) {
        head = cells;
        continue;
      }
      EXPECT_EQ(cells.size(), head.size()) << line;
      for (std::size_t i = 0; i < std::min(cells.size(), head.size()); ++i) {
        if (i == 0) rows.emplace_back();
        rows.back()[head[i]] = cells[i];
      }
    }
    return rows;
  }
  static std::size_t marked(const data::Grey& mask) {
    return static_cast<std::size_t>(std::count(mask.pixels.begin(), mask.pixels.end(), std::uint8_t{255}));
  }
};

}  // namespace attnunet
