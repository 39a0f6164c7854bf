#include "support/json.h"

#include "support/files.h"

namespace attnunet {

nlohmann::json parse_json(const std::string& text) {
  return nlohmann::json::parse(text);
}

nlohmann::json read_json(const std::filesystem::path& file) {
  return parse_json(read_text(file));
}

}  // namespace attnunet
