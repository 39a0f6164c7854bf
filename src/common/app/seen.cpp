#include "common/app/seen.h"

#include <cstdio>

namespace attnunet::app {

void warn_of_seen(const SeenCounts& counts, const std::string& which, const std::string& where) {
  for (const std::string& warning : seen_warnings(counts, which))
    std::printf("warning: %s%s\n", warning.c_str(), where.c_str());
}

nlohmann::ordered_json seen_json(const SeenCounts& counts, bool has_list) {
  nlohmann::ordered_json object{
      {"trained_on", nullptr}, {"near_duplicates_of_training", nullptr}, {"seen_unknown", counts.unknown}};
  if (!has_list) return object;
  object["trained_on"] = counts.trained;
  object["near_duplicates_of_training"] = counts.near_duplicates;
  return object;
}

}  // namespace attnunet::app
