#include "common/data/split.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include "common/core/disjoint_sets.h"
#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/core/random.h"
#include "common/data/fingerprint.h"
#include "common/io/text_file.h"

namespace attnunet::data {
namespace {

constexpr std::uint32_t random_stream = 0x53504c54;  // splits draw from a stream of their own

using Cases = std::vector<std::size_t>;

bool is_test(const Case& one) {
  return one.part == Part::test;
}

/// The cases of each class without test cases, in case order; the classes bytewise by name.
std::vector<Cases> cases_by_class(const Dataset& dataset) {
  std::map<std::string, Cases> classes;
  for (std::size_t i = 0; i < dataset.cases.size(); ++i)
    if (!is_test(dataset.cases[i])) classes[dataset.cases[i].class_name].push_back(i);
  std::vector<Cases> result;
  for (auto& [name, cases] : classes) result.push_back(std::move(cases));
  return result;
}

constexpr double validation_share = 0.2;

std::size_t rounded_share(double share, std::size_t n) {
  return static_cast<std::size_t>(std::llround(share * static_cast<double>(n)));
}

/// `parts`: of each case, Part::none for those that train. The dataset's own test cases are left out. In case order.
Split split_by(const Dataset& dataset, const std::vector<Part>& parts) {
  Split split;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (is_test(dataset.cases[i])) continue;
    (parts[i] == Part::test ? split.test : parts[i] == Part::val ? split.val : split.train).push_back(i);
  }
  return split;
}

Split random_split(const Dataset& dataset, double test_part, std::uint64_t seed) {
  std::vector<Part> parts(dataset.cases.size(), Part::none);
  Random random(seed, random_stream);
  for (Cases& cases : cases_by_class(dataset)) {
    shuffle(cases, random);
    const std::size_t test = rounded_share(test_part, cases.size());
    const std::size_t val = rounded_share(validation_share, cases.size() - test);
    for (std::size_t i = 0; i < test + val; ++i) parts[cases[i]] = i < test ? Part::test : Part::val;
  }
  return split_by(dataset, parts);
}

/// A group of the dataset is where its first case is.
Split paper_split(const Dataset& dataset) {
  const std::vector<Case>& cases = dataset.cases;
  const auto n = cases.size() - static_cast<std::size_t>(std::count_if(cases.begin(), cases.end(), is_test));
  std::vector<Part> parts(cases.size(), Part::none);
  std::map<std::string, bool> groups;  // whether they validate
  std::size_t before = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (is_test(cases[i])) continue;
    const bool late = before++ >= n * 8 / 10;
    if (cases[i].group.empty() ? late : groups.emplace(cases[i].group, late).first->second) parts[i] = Part::val;
  }
  return split_by(dataset, parts);
}

/// Cases that must stay together, and how many of each class they are.
struct Unit {
  Cases cases;
  std::vector<std::size_t> counts;
  bool spans_classes() const {
    return std::count(counts.begin(), counts.end(), 0u) + 1 < std::ptrdiff_t(counts.size());
  }
};

bool has_groups(const Dataset& dataset) {
  return std::any_of(dataset.cases.begin(), dataset.cases.end(), [](const Case& one) { return !one.group.empty(); });
}

/// Near-duplicates and the dataset's own groups, joined where they share a case, without test cases; ascending, by
/// their first member.
std::vector<Cases> joined_groups(const Dataset& dataset, const std::vector<Cases>& near_duplicates) {
  const std::size_t n = dataset.cases.size();
  DisjointSets sets(n);
  for (const Cases& group : near_duplicates)
    for (const std::size_t member : group) sets.join(group[0], member);
  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < n; ++i)
    if (!dataset.cases[i].group.empty()) sets.join(first.emplace(dataset.cases[i].group, i).first->second, i);
  std::map<std::size_t, Cases> groups;
  for (std::size_t i = 0; i < n; ++i)
    if (!is_test(dataset.cases[i])) groups[sets.first_of(i)].push_back(i);
  std::map<std::size_t, Cases> by_first_member;
  for (auto& [leading, group] : groups)
    if (group.size() > 1) by_first_member[group[0]] = std::move(group);
  std::vector<Cases> result;
  for (auto& [member, group] : by_first_member) result.push_back(std::move(group));
  return result;
}

/// All units in seeded order; near-duplicates make none with `random`.
std::vector<Unit> shuffled_units(const Dataset& dataset, const std::vector<Cases>& classes, SplitKind kind,
                                 std::uint64_t seed, Fingerprints& prints) {
  std::vector<Cases> near_duplicates;
  if (kind != SplitKind::random) near_duplicates = near_duplicate_groups(prints.thumbnails(), near_duplicate_threshold);
  std::vector<Cases> groups = joined_groups(dataset, near_duplicates);
  std::vector<bool> grouped(dataset.cases.size(), false);
  for (const Cases& group : groups)
    for (const std::size_t i : group) grouped[i] = true;
  for (std::size_t i = 0; i < grouped.size(); ++i)
    if (!grouped[i] && !is_test(dataset.cases[i])) groups.push_back({i});

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

/// Step 1 of the grouped split: indices of the units that are drawn; `counts` becomes their cases of each class.
std::vector<std::size_t> choose_spanning(const std::vector<Unit>& units, double share,
                                         std::vector<std::size_t>& counts) {
  std::vector<double> wanted(counts.size(), 0.0);
  for (const Unit& unit : units)
    for (std::size_t c = 0; c < counts.size() && unit.spans_classes(); ++c)
      wanted[c] += share * static_cast<double>(unit.counts[c]);

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

/// Draws a share of every class out of the units, by the two steps above: their cases get `part`, and they leave
/// `units`, whose order stays.
void draw(std::vector<Unit>& units, double share, Part part, std::vector<Part>& parts) {
  if (units.empty()) return;
  const std::size_t classes = units[0].counts.size();
  std::vector<bool> drawn(units.size(), false);
  std::vector<std::size_t> counts(classes, 0);
  for (const std::size_t u : choose_spanning(units, share, counts)) drawn[u] = true;

  for (std::size_t c = 0; c < classes; ++c) {
    std::vector<std::size_t> members, sizes;
    std::size_t cases = 0;
    for (std::size_t u = 0; u < units.size(); ++u) {
      cases += units[u].counts[c];
      if (units[u].spans_classes() || units[u].counts[c] == 0) continue;
      members.push_back(u);
      sizes.push_back(units[u].cases.size());
    }
    const std::size_t target = rounded_share(share, cases);
    for (const std::size_t m : closest_subset(sizes, target - std::min(target, counts[c]))) drawn[members[m]] = true;
  }
  std::vector<Unit> left;
  for (std::size_t u = 0; u < units.size(); ++u) {
    for (const std::size_t i : units[u].cases)
      if (drawn[u]) parts[i] = part;
    if (!drawn[u]) left.push_back(std::move(units[u]));
  }
  units = std::move(left);
}

Split unit_split(const Dataset& dataset, const SplitOptions& options, Fingerprints& prints) {
  std::vector<Unit> units = shuffled_units(dataset, cases_by_class(dataset), options.kind, options.seed, prints);
  std::vector<Part> parts(dataset.cases.size(), Part::none);
  if (options.test_part > 0) draw(units, options.test_part, Part::test, parts);
  draw(units, validation_share, Part::val, parts);
  return split_by(dataset, parts);
}

/// Whether each of the units is in the fold.
std::vector<bool> in_fold(const std::vector<Unit>& units, const std::vector<Cases>& classes, int folds, int fold) {
  std::vector<std::size_t> larger_first(units.size());
  std::iota(larger_first.begin(), larger_first.end(), std::size_t{0});
  std::stable_sort(larger_first.begin(), larger_first.end(),
                   [&](std::size_t a, std::size_t b) { return units[a].cases.size() > units[b].cases.size(); });

  const std::size_t K = static_cast<std::size_t>(folds);
  std::vector<std::vector<std::size_t>> counts(K, std::vector<std::size_t>(classes.size(), 0));
  std::vector<std::size_t> totals(K, 0);
  std::vector<bool> inside(units.size(), false);
  for (const std::size_t u : larger_first) {
    const Unit& unit = units[u];
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
    inside[u] = best == static_cast<std::size_t>(fold);
  }
  return inside;
}

Split fold_split(const Dataset& dataset, const SplitOptions& options, Fingerprints& prints) {
  const std::vector<Cases> classes = cases_by_class(dataset);
  std::vector<Unit> units = shuffled_units(dataset, classes, SplitKind::grouped, options.seed, prints), others;
  const std::vector<bool> inside = in_fold(units, classes, options.folds, options.fold);
  const bool tests = options.test_part > 0;
  std::vector<Part> parts(dataset.cases.size(), Part::none);
  for (std::size_t u = 0; u < units.size(); ++u) {
    for (const std::size_t i : units[u].cases)
      if (inside[u]) parts[i] = tests ? Part::test : Part::val;
    if (!inside[u]) others.push_back(std::move(units[u]));
  }
  if (tests) draw(others, validation_share, Part::val, parts);
  return split_by(dataset, parts);
}

std::string without_ending(const std::string& path) {
  return std::filesystem::path(path).replace_extension().generic_string();
}

/// The ways to name a case that make_split states.
std::set<std::string> names_of_case(const Dataset& dataset, const Case& one) {
  const std::string file = one.image.filename().string();
  const std::string path = path_in_dataset(dataset, one.image);
  std::set<std::string> names{one.name, file, without_ending(file), path, without_ending(path)};
  if (!one.class_name.empty())
    for (const std::string& name : {one.name, file, without_ending(file)}) names.insert(one.class_name + "/" + name);
  return names;
}

/// What a list is looked up in.
class CaseIndex {
 public:
  explicit CaseIndex(const Dataset& dataset) : dataset_(dataset) {
    for (std::size_t i = 0; i < dataset.cases.size(); ++i) {
      exact_[dataset.cases[i].name].insert(i);
      for (const std::string& name : names_of_case(dataset, dataset.cases[i])) loose_[name].insert(i);
    }
  }

  /// Throws Error, without naming file and line.
  std::size_t find(std::string name) const {
    for (const auto* index : {&exact_, &loose_}) {
      const auto found = index->find(name);
      if (found == index->end()) continue;
      if (found->second.size() == 1) return *found->second.begin();
      throw Error("several cases are called " + quoted_excerpt(name) + ", as " + path(*found->second.begin()) +
                  " and " + path(*found->second.rbegin()) + "; write such a path, or rename one of them");
    }
    throw Error(unknown(name));
  }

 private:
  std::string path(std::size_t i) const { return quoted_excerpt(path_in_dataset(dataset_, dataset_.cases[i].image)); }

  std::string unknown(const std::string& name) const {
    try {
      for (const Case& one : scan(dataset_.root).cases)
        if (names_of_case(dataset_, one).count(name) != 0)
          return quoted_excerpt(name) + " is of the class " + one_line(one.class_name) +
                 ", which --classes leaves out; select the class or take the name out of the list";
    } catch (const Error&) {  // then the name is unknown, too
    }
    return "there is no case " + quoted_excerpt(name) + " in " + quoted(dataset_.root) + "; correct or remove the name";
  }

  const Dataset& dataset_;
  std::map<std::string, std::set<std::size_t>> exact_, loose_;
};

/// The place a name was first found at, by case index.
using Named = std::map<std::size_t, std::string>;

Cases read_list(const Dataset& dataset, const std::filesystem::path& path, Named& named) {
  const CaseIndex index(dataset);
  std::istringstream lines(text_of_file(path, "the list", "name a text file with a case name a line"));
  Cases cases;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const std::string name = trimmed(line);
    if (name.empty()) continue;
    const std::string place = quoted(path) + " line " + std::to_string(number);
    std::size_t found = 0;
    try {
      found = index.find(name);
    } catch (const Error& failure) {
      throw Error(place + ": " + failure.what());
    }
    const auto [first, is_new] = named.emplace(found, place);
    if (!is_new)
      throw Error(place + ": " + quoted_excerpt(name) + " was already named in " + first->second +
                  "; remove one of the two");
    cases.push_back(found);
  }
  return cases;
}

bool has_lists(const SplitOptions& options) {
  return !options.train_list.empty() || !options.val_list.empty();
}

/// Throws Error if a group of the dataset is in two of the parts.
void require_whole_groups(const Dataset& dataset, const Split& split) {
  struct Place {
    std::size_t one;
    std::string does;
  };
  std::map<std::string, Place> groups;  // each with a case
  const std::pair<const Cases*, std::string> parts[] = {
      {&split.train, "trains"}, {&split.val, "validates"}, {&split.test, "tests"}};
  for (const auto& [cases, does] : parts)
    for (const std::size_t i : *cases) {
      if (dataset.cases[i].group.empty()) continue;
      const Place& other = groups.emplace(dataset.cases[i].group, Place{i, does}).first->second;
      if (other.does == does) continue;
      throw Error("the lists part the group " + quoted_excerpt(dataset.cases[i].group) + ": " +
                  quoted(dataset.cases[other.one].name) + " " + other.does + " and " + quoted(dataset.cases[i].name) +
                  " " + does + "; put all of a group in one list");
    }
}

Split list_split(const Dataset& dataset, const SplitOptions& options) {
  if (options.train_list.empty() || options.val_list.empty())
    throw UsageError("--train-list and --val-list go together: name both");
  Named named;
  Split split;
  split.train = read_list(dataset, options.train_list, named);
  split.val = read_list(dataset, options.val_list, named);
  if (!options.test_list.empty()) split.test = read_list(dataset, options.test_list, named);
  for (Cases* cases : {&split.train, &split.val, &split.test}) std::sort(cases->begin(), cases->end());
  require_whole_groups(dataset, split);
  return split;
}

Split own_split(const Dataset& dataset) {
  if (!has_own_split(dataset))
    throw UsageError(
        "--split dataset: " + quoted(dataset.root) +
        " does not say which cases validate; name folders train and val, or add a column split to a table");
  Split split;
  for (std::size_t i = 0; i < dataset.cases.size(); ++i) {
    const Part part = dataset.cases[i].part;
    if (part == Part::train) split.train.push_back(i);
    if (part == Part::val) split.val.push_back(i);
  }
  return split;
}

Split split_of_kind(const Dataset& dataset, const SplitOptions& options, Fingerprints& prints) {
  const std::string complaint = test_part_complaint(options);
  if (!complaint.empty()) throw UsageError(complaint);
  if (options.folds != 0) {
    if (options.kind != SplitKind::grouped || has_lists(options))
      throw UsageError("--folds makes grouped folds; it does not go with another split");
    if (options.folds < 2) throw UsageError("--folds must be at least 2");
    if (options.fold < 0 || options.fold >= options.folds)
      throw UsageError("--fold must be in 0.." + std::to_string(options.folds - 1));
    return fold_split(dataset, options, prints);
  }
  if (has_lists(options)) return list_split(dataset, options);
  switch (options.kind) {
    case SplitKind::random:
      if (!has_groups(dataset)) return random_split(dataset, options.test_part, options.seed);
      return unit_split(dataset, options, prints);
    case SplitKind::grouped:
      return unit_split(dataset, options, prints);
    case SplitKind::paper:
      return paper_split(dataset);
    case SplitKind::dataset:
      return own_split(dataset);
  }
  no_such_value(options.kind);
}

}  // namespace

std::string test_part_complaint(const SplitOptions& options) {
  const std::string part = "--test-part";
  if (!options.test_list.empty() && (options.train_list.empty() || options.val_list.empty()))
    return "--test-list goes with --train-list and --val-list: name all three";
  if (options.test_part == 0) return "";
  if (has_lists(options)) return part + " does not go with lists, which say which cases test: use --test-list";
  if (options.folds == 0 && (options.kind == SplitKind::paper || options.kind == SplitKind::dataset))
    return part + " does not go with --split " + name_of(options.kind) +
           ", which fixes the parts: use --split grouped or --split random";
  // With folds the part is the fold: the share must be that of a fold, but people write 0.33 for a third.
  if (options.folds != 0 && std::abs(1 / options.test_part - options.folds) >= 0.5)
    return part + " with --folds " + std::to_string(options.folds) +
           " makes the fold the test part, so that its share can only be 1/" + std::to_string(options.folds);
  return "";
}

bool has_own_split(const Dataset& dataset) {
  return std::any_of(dataset.cases.begin(), dataset.cases.end(), [](const Case& one) { return one.part == Part::val; });
}

std::vector<std::size_t> list_order(const Dataset& dataset, const std::filesystem::path& list) {
  Named named;
  return read_list(dataset, list, named);
}

Cases all_cases(const Split& split) {
  Cases cases = split.train;
  cases.insert(cases.end(), split.val.begin(), split.val.end());
  return cases;
}

Cases own_test_cases(const Dataset& dataset, const Split& split) {
  const Cases all = all_cases(split);
  const std::set<std::size_t> used(all.begin(), all.end());
  Cases cases;
  for (std::size_t i = 0; i < dataset.cases.size(); ++i)
    if (is_test(dataset.cases[i]) && used.count(i) == 0) cases.push_back(i);
  return cases;
}

Split make_split(const Dataset& dataset, const SplitOptions& options, Fingerprints& prints) {
  Split split = split_of_kind(dataset, options, prints);
  const bool wants_test = options.test_part > 0 || !options.test_list.empty();
  const bool no_test = wants_test && split.test.empty();
  if (options.test_list.empty()) {
    const Cases own = own_test_cases(dataset, split);
    split.test.insert(split.test.end(), own.begin(), own.end());
    std::sort(split.test.begin(), split.test.end());
  }
  for (const auto& [missing, purpose] : {std::pair{split.train.empty(), "training"},
                                         std::pair{split.val.empty(), "validation"}, std::pair{no_test, "test"}})
    if (missing)
      throw Error("no " + std::string(purpose) + " case is left of the " + std::to_string(dataset.cases.size()) +
                  " cases of " + quoted(dataset.root) +
                  (options.kind == SplitKind::paper && has_groups(dataset)
                       ? ": --split paper puts all of a group where its first case is"
                       : "") +
                  "; use another split or --test-part, other classes or more cases");
  return split;
}

Split make_split(const Dataset& dataset, const SplitOptions& options) {
  Fingerprints prints(dataset);
  return make_split(dataset, options, prints);
}

}  // namespace attnunet::data
