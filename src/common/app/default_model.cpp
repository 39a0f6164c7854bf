#include "common/app/default_model.h"

#include <filesystem>

namespace attnunet::app {

namespace fs = std::filesystem;

std::vector<std::string> default_model_places() {
  std::error_code unknown;
  const fs::path folder = fs::read_symlink("/proc/self/exe", unknown).parent_path();
  if (unknown) return {};
  const char* name = "attention4-busi.safetensors";
  std::vector<std::string> places;
  for (const char* where : {"../models", "../share/attnunet"})
    places.push_back((folder / where / name).lexically_normal().string());
  return places;
}

std::string default_model() {
  std::error_code ignored;
  for (const std::string& place : default_model_places())
    if (fs::is_regular_file(place, ignored)) return place;
  return "";
}

}  // namespace attnunet::app
