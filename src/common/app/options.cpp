#include "common/app/options.h"

#include <charconv>
#include <cstdlib>
#include <thread>

#include "common/error.h"

namespace attnunet::app {

CLI::Validator whole_number(std::uint64_t low, std::uint64_t high) {
  const std::string range = std::to_string(low) + " to " + std::to_string(high);
  return CLI::Validator(
      [=](std::string& text) {
        std::uint64_t value = 0;
        const char* end = text.data() + text.size();
        const std::from_chars_result parsed = std::from_chars(text.data(), end, value);
        if (parsed.ec == std::errc() && parsed.ptr == end && value >= low && value <= high) return std::string();
        return "'" + text + "' is out of range: a whole number from " + range;
      },
      std::to_string(low) + ".." + std::to_string(high));
}

CLI::Validator number(bool (*allowed)(double), const std::string& range) {
  return CLI::Validator(
      [=](std::string& text) {
        char* end = nullptr;
        const double value = std::strtod(text.c_str(), &end);
        if (!text.empty() && *end == '\0' && allowed(value)) return std::string();
        return "'" + text + "' is out of range: a number " + range;
      },
      range);
}

void add_backend_option(CLI::App& command, std::string& backend) {
  command.add_option("--backend", backend, "what computes: cpu, cuda, cuda-sim")
      ->check(CLI::Validator(
          [](std::string& text) {
            if (text == "cpu" || text == "cuda" || text == "cuda-sim") return std::string();
            return "'" + text + "' is unknown: one of cpu, cuda, cuda-sim";
          },
          ""));
}

void require_backend(const std::string& backend) {
  if (backend != "cpu") throw Error("this build has no backend " + backend + ", only cpu: leave --backend out");
}

CLI::Option* add_threads_option(CLI::App& command, int& threads) {
  const unsigned cores = std::thread::hardware_concurrency();
  threads = cores == 0 ? 1 : static_cast<int>(std::min<unsigned>(cores, largest_threads));
  return command.add_option("--threads", threads, "OpenMP threads; the result does not depend on it")
      ->check(whole_number(1, largest_threads));
}

void add_network_options(CLI::App& command, NetworkConfig& network) {
  command
      .add_option_function<std::string>(
          "--variant", [&network](const std::string& variant) { network.levels = variant_levels(variant); },
          "attention3 or attention4")
      ->default_str(variant_name(network))
      ->check(CLI::Validator(
          [](std::string& text) {
            if (text == "attention3" || text == "attention4") return std::string();
            return "'" + text + "' is unknown: attention3 or attention4";
          },
          ""));
  command.add_option("--base", network.base, "channels of the first level")
      ->check(CLI::Validator(
          [](std::string& text) {
            int value = 0;
            const char* end = text.data() + text.size();
            const std::from_chars_result parsed = std::from_chars(text.data(), end, value);
            if (parsed.ec == std::errc() && parsed.ptr == end && value >= 2 && value <= 512 && value % 2 == 0)
              return std::string();
            return "'" + text + "' is out of range: an even number from 2 to 512";
          },
          "2..512, even"));
}

CLI::Option* add_size_option(CLI::App& command, int& size) {
  return command.add_option("--size", size, "side of the square images; at least 8 (attention3) or 16 (attention4)")
      ->check(whole_number(8, largest_size));
}

void require_size(const NetworkConfig& network, int size) {
  if (size < network.multiple() || size > largest_size)
    throw UsageError("--size: " + std::to_string(size) + " is out of range: a whole number from " +
                     std::to_string(network.multiple()) + " to " + std::to_string(largest_size) + " for " +
                     variant_name(network));
}

}  // namespace attnunet::app
