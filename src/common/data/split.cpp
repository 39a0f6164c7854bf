#include "common/data/split.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/core/random.h"
#include "common/data/similarity.h"

namespace attnunet::data {
namespace {

constexpr std::uint32_t random_stream = 0x53504c54;  // splits draw from a stream of their own

using Cases = std::vector<std::size_t>;

int class_of(const Case& one) {
  const std::vector<std::string>& names = class_names();
  return static_cast<int>(std::find(names.begin(), names.end(), one.class_name) - names.begin());
}

/// The cases of each class, in case order; classes without a case are left out.
std::vector<Cases> cases_by_class(const Dataset& dataset) {
  std::map<int, Cases> classes;
  for (std::size_t i = 0; i < dataset.cases.size(); ++i) classes[class_of(dataset.cases[i])].push_back(i);
  std::vector<Cases> result;
  for (auto& [number, cases] : classes) result.push_back(std::move(cases));
  return result;
}

std::size_t fifth(std::size_t n) {
  return static_cast<std::size_t>(std::llround(0.2 * static_cast<double>(n)));
}

/// What validates is known; the rest trains. Both in case order.
Split split_by(const std::vector<bool>& validates) {
  Split split;
  for (std::size_t i = 0; i < validates.size(); ++i) (validates[i] ? split.val : split.train).push_back(i);
  return split;
}

Split random_split(const Dataset& dataset, std::uint64_t seed) {
  std::vector<bool> validates(dataset.cases.size(), false);
  Random random(seed, random_stream);
  for (Cases& cases : cases_by_class(dataset)) {
    shuffle(cases, random);
    for (std::size_t i = 0; i < fifth(cases.size()); ++i) validates[cases[i]] = true;
  }
  return split_by(validates);
}

Split paper_split(const Dataset& dataset) {
  const std::size_t n = dataset.cases.size();
  std::vector<bool> validates(n, false);
  for (std::size_t i = n * 8 / 10; i < n; ++i) validates[i] = true;
  return split_by(validates);
}

/// Cases that must stay together, and how many of each class they are.
struct Unit {
  Cases cases;
  std::vector<std::size_t> counts;
  bool spans_classes() const {
    return std::count(counts.begin(), counts.end(), 0u) + 1 < std::ptrdiff_t(counts.size());
  }
};

/// All units in seeded order.
std::vector<Unit> shuffled_units(const Dataset& dataset, const std::vector<Cases>& classes, std::uint64_t seed) {
  std::vector<Cases> groups = near_duplicate_groups(thumbnails(dataset), near_duplicate_threshold);
  std::vector<bool> grouped(dataset.cases.size(), false);
  for (const Cases& group : groups)
    for (const std::size_t i : group) grouped[i] = true;
  for (std::size_t i = 0; i < grouped.size(); ++i)
    if (!grouped[i]) groups.push_back({i});

  std::vector<std::size_t> class_index(dataset.cases.size());
  for (std::size_t c = 0; c < classes.size(); ++c)
    for (const std::size_t i : classes[c]) class_index[i] = c;
  std::vector<Unit> units;
  for (Cases& group : groups) {
    Unit unit{std::move(group), std::vector<std::size_t>(classes.size(), 0)};
    for (const std::size_t i : unit.cases) ++unit.counts[class_index[i]];
    units.push_back(std::move(unit));
  }
  Random random(seed, random_stream);
  shuffle(units, random);
  return units;
}

/// Step 1 of the grouped split: indices of the units that validate; `counts` becomes their cases of each class.
std::vector<std::size_t> choose_spanning(const std::vector<Unit>& units, std::vector<std::size_t>& counts) {
  std::vector<double> wanted(counts.size(), 0.0);
  for (const Unit& unit : units)
    for (std::size_t c = 0; c < counts.size() && unit.spans_classes(); ++c)
      wanted[c] += 0.2 * static_cast<double>(unit.counts[c]);

  std::vector<std::size_t> chosen;
  for (std::size_t u = 0; u < units.size(); ++u) {
    if (!units[u].spans_classes()) continue;
    double before = 0, after = 0;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      before += std::abs(wanted[c] - static_cast<double>(counts[c]));
      after += std::abs(wanted[c] - static_cast<double>(counts[c] + units[u].counts[c]));
    }
    if (!(after < before)) continue;
    chosen.push_back(u);
    for (std::size_t c = 0; c < counts.size(); ++c) counts[c] += units[u].counts[c];
  }
  return chosen;
}

/// Step 2: of the units' sizes, the first subset in order whose sum is as close to `wanted` as any.
std::vector<std::size_t> closest_subset(const std::vector<std::size_t>& sizes, std::size_t wanted) {
  std::size_t total = 0;
  for (const std::size_t size : sizes) total += size;
  // reachable[i][s]: some of the units i, i + 1, ... have together s cases
  std::vector<std::vector<bool>> reachable(sizes.size() + 1, std::vector<bool>(total + 1, false));
  reachable[sizes.size()][0] = true;
  for (std::size_t i = sizes.size(); i-- > 0;)
    for (std::size_t s = 0; s <= total; ++s)
      reachable[i][s] = reachable[i + 1][s] || (s >= sizes[i] && reachable[i + 1][s - sizes[i]]);

  const auto distance = [&](std::size_t s) { return s > wanted ? s - wanted : wanted - s; };
  std::size_t left = 0;
  for (std::size_t s = 0; s <= total; ++s)
    if (reachable[0][s] && distance(s) < distance(left)) left = s;
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < sizes.size(); ++i)
    if (left >= sizes[i] && reachable[i + 1][left - sizes[i]]) {
      chosen.push_back(i);
      left -= sizes[i];
    }
  return chosen;
}

Split grouped_split(const Dataset& dataset, std::uint64_t seed) {
  const std::vector<Cases> classes = cases_by_class(dataset);
  const std::vector<Unit> units = shuffled_units(dataset, classes, seed);
  std::vector<bool> validates(dataset.cases.size(), false);
  const auto take = [&](const Unit& unit) {
    for (const std::size_t i : unit.cases) validates[i] = true;
  };
  std::vector<std::size_t> counts(classes.size(), 0);
  for (const std::size_t u : choose_spanning(units, counts)) take(units[u]);

  for (std::size_t c = 0; c < classes.size(); ++c) {
    std::vector<std::size_t> members, sizes;
    for (std::size_t u = 0; u < units.size(); ++u)
      if (!units[u].spans_classes() && units[u].counts[c] > 0) {
        members.push_back(u);
        sizes.push_back(units[u].cases.size());
      }
    const std::size_t target = fifth(classes[c].size());
    for (const std::size_t m : closest_subset(sizes, target - std::min(target, counts[c]))) take(units[members[m]]);
  }
  return split_by(validates);
}

Split fold_split(const Dataset& dataset, int folds, int fold, std::uint64_t seed) {
  const std::vector<Cases> classes = cases_by_class(dataset);
  std::vector<Unit> units = shuffled_units(dataset, classes, seed);
  std::stable_sort(units.begin(), units.end(),
                   [](const Unit& a, const Unit& b) { return a.cases.size() > b.cases.size(); });

  const std::size_t K = static_cast<std::size_t>(folds);
  std::vector<std::vector<std::size_t>> counts(K, std::vector<std::size_t>(classes.size(), 0));
  std::vector<std::size_t> totals(K, 0);
  std::vector<bool> validates(dataset.cases.size(), false);
  for (const Unit& unit : units) {
    std::size_t best = 0;
    double best_rise = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < K; ++k) {
      double rise = 0;
      for (std::size_t c = 0; c < classes.size(); ++c) {
        const auto n = static_cast<double>(classes[c].size());
        rise += static_cast<double>(unit.counts[c] * (2 * counts[k][c] + unit.counts[c])) / (n * n);
      }
      if (rise < best_rise || (rise == best_rise && totals[k] < totals[best])) {
        best = k;
        best_rise = rise;
      }
    }
    totals[best] += unit.cases.size();
    for (std::size_t c = 0; c < classes.size(); ++c) counts[best][c] += unit.counts[c];
    if (best != static_cast<std::size_t>(fold)) continue;
    for (const std::size_t i : unit.cases) validates[i] = true;
  }
  return split_by(validates);
}

std::string trimmed(const std::string& line) {
  const char* spaces = " \t\r";
  const std::size_t first = line.find_first_not_of(spaces);
  return first == std::string::npos ? "" : line.substr(first, line.find_last_not_of(spaces) - first + 1);
}

/// Why a name is not among the dataset's cases.
std::string unknown_name(const Dataset& dataset, const std::string& name) {
  for (const std::string& class_name : class_names()) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(dataset.root / class_name / (name + ".png"), ignored))
      return quoted(name) + " is of the class " + class_name +
             ", which --classes leaves out; select the class or take the name out of the list";
  }
  return "there is no case " + quoted(name) + " in " + quoted(dataset.root) + "; correct or remove the name";
}

/// The place a name was first found at, by case index.
using Named = std::map<std::size_t, std::string>;

Cases read_list(const Dataset& dataset, const std::filesystem::path& path, Named& named) {
  std::multimap<std::string, std::size_t> index;
  for (std::size_t i = 0; i < dataset.cases.size(); ++i) index.emplace(dataset.cases[i].name, i);
  errno = 0;
  std::ifstream file(path);
  if (!file || std::filesystem::is_directory(path))
    throw Error("cannot read the list " + quoted(path) + ": " + std::strerror(errno == 0 ? EISDIR : errno) +
                "; name a text file with a case name a line");
  Cases cases;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string name = trimmed(line);
    if (name.empty()) continue;
    const std::string place = quoted(path) + " line " + std::to_string(number);
    const auto found = index.find(name);
    if (found == index.end()) throw Error(place + ": " + unknown_name(dataset, name));
    if (index.count(name) > 1)
      throw Error(place + ": several classes have a case " + quoted(name) + "; rename one of them");
    const auto [first, is_new] = named.emplace(found->second, place);
    if (!is_new)
      throw Error(place + ": " + quoted(name) + " was already named in " + first->second + "; remove one of the two");
    cases.push_back(found->second);
  }
  return cases;
}

bool has_lists(const SplitOptions& options) {
  return !options.train_list.empty() || !options.val_list.empty();
}

Split list_split(const Dataset& dataset, const SplitOptions& options) {
  if (options.train_list.empty() || options.val_list.empty())
    throw UsageError("--train-list and --val-list go together: name both");
  Named named;
  Split split;
  split.train = read_list(dataset, options.train_list, named);
  split.val = read_list(dataset, options.val_list, named);
  for (Cases* cases : {&split.train, &split.val}) std::sort(cases->begin(), cases->end());
  return split;
}

Split split_of_kind(const Dataset& dataset, const SplitOptions& options) {
  if (options.folds != 0) {
    if (options.kind != SplitKind::grouped || has_lists(options))
      throw UsageError("--folds makes grouped folds; it does not go with another split");
    if (options.folds < 2) throw UsageError("--folds must be at least 2");
    if (options.fold < 0 || options.fold >= options.folds)
      throw UsageError("--fold must be in 0.." + std::to_string(options.folds - 1));
    return fold_split(dataset, options.folds, options.fold, options.seed);
  }
  if (has_lists(options)) return list_split(dataset, options);
  switch (options.kind) {
    case SplitKind::random:
      return random_split(dataset, options.seed);
    case SplitKind::grouped:
      return grouped_split(dataset, options.seed);
    case SplitKind::paper:
      return paper_split(dataset);
  }
  no_such_value(options.kind);
}

}  // namespace

std::vector<std::size_t> list_order(const Dataset& dataset, const std::filesystem::path& list) {
  Named named;
  return read_list(dataset, list, named);
}

Cases all_cases(const Split& split) {
  Cases cases = split.train;
  cases.insert(cases.end(), split.val.begin(), split.val.end());
  return cases;
}

Split make_split(const Dataset& dataset, const SplitOptions& options) {
  Split split = split_of_kind(dataset, options);
  for (const auto& [cases, purpose] : {std::pair{&split.train, "training"}, std::pair{&split.val, "validation"}})
    if (cases->empty())
      throw Error("no " + std::string(purpose) + " case is left of the " + std::to_string(dataset.cases.size()) +
                  " cases of " + quoted(dataset.root) + "; use another split, other classes or more cases");
  return split;
}

}  // namespace attnunet::data
