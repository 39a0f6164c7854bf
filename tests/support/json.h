// JSON that the program writes.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace attnunet {

nlohmann::json parse_json(const std::string& text);
nlohmann::json read_json(const std::filesystem::path& file);

}  // namespace attnunet
