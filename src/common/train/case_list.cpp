#include "common/train/case_list.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "common/core/error.h"
#include "common/core/in_parallel.h"
#include "common/io/base64.h"
#include "common/io/machine.h"

namespace attnunet {
namespace {

using OrderedJson = nlohmann::ordered_json;
using Cases = std::vector<RecordedCase>;

constexpr int deepest_case_list = 4;

OrderedJson to_json(const RecordedCase& one) {
  return {{"name", one.name}, {"class", one.class_name}, {"pixels", one.hash}};
}

OrderedJson trained_json(const Cases& cases) {
  OrderedJson all = OrderedJson::array();
  for (const RecordedCase& one : cases) {
    all.push_back(to_json(one));
    all.back()["sketch"] = base64({one.sketch.begin(), one.sketch.end()});
  }
  return all;
}

OrderedJson other_json(const Cases& cases) {
  OrderedJson all = OrderedJson::array();
  for (const RecordedCase& one : cases) {
    all.push_back(to_json(one));
    all.back()["seen"] = name_of(one.seen);
  }
  return all;
}

bool is_hash(const std::string& text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// Throws JSON's own exceptions and Error. Images trained on have a sketch.
Cases cases_of(const OrderedJson& all, bool trained) {
  if (!all.is_array()) throw Error("its case list is damaged");
  Cases cases;
  for (const OrderedJson& object : all) {
    RecordedCase one;
    one.name = object.at("name").get<std::string>();
    one.class_name = object.at("class").get<std::string>();
    one.hash = object.at("pixels").get<std::string>();
    if (!is_hash(one.hash)) throw Error("its case list has a wrong hash");
    if (trained) {
      const auto bytes = bytes_of_base64(object.at("sketch").get<std::string>());
      if (!bytes || bytes->size() != one.sketch.size()) throw Error("its case list has a wrong sketch");
      std::copy(bytes->begin(), bytes->end(), one.sketch.begin());
    }
    if (object.contains("seen")) one.seen = parse<Seen>(object["seen"].get<std::string>());
    cases.push_back(std::move(one));
  }
  return cases;
}

/// Of training and pretrained_on.
std::set<std::string> hashes_trained_on(const CaseList& list) {
  std::set<std::string> hashes;
  for (const Cases* cases : {&list.train, &list.pretrained_on})
    for (const RecordedCase& one : *cases) hashes.insert(one.hash);
  return hashes;
}

/// Whether an image is a near-duplicate of one of the cases, by their sketches.
bool resembles(const data::Fingerprint& print, std::initializer_list<const Cases*> lists) {
  const data::Sketch sketch = data::sketch_of(print.thumbnail);
  for (const Cases* cases : lists)
    for (const RecordedCase& one : *cases)
      if (data::correlation_of(sketch, one.sketch) > data::near_duplicate_threshold) return true;
  return false;
}

/// Adds those of `more` whose pixels are not among them.
void add_new(Cases& cases, const Cases& more) {
  std::set<std::string> known;
  for (const RecordedCase& one : cases) known.insert(one.hash);
  for (const RecordedCase& one : more)
    if (known.insert(one.hash).second) cases.push_back(one);
}

RecordedCase record(const data::Case& one, const data::Fingerprint& print) {
  return {one.name, one.class_name, print.hash, {}, Seen::no};
}

}  // namespace

std::string CaseList::to_text() const {
  const OrderedJson object{{"training", trained_json(train)},
                           {"validation", other_json(val)},
                           {"test", other_json(test)},
                           {"pretrained_on", trained_json(pretrained_on)},
                           {"complete", complete}};
  // Names only help people: one that is not UTF-8 is no reason not to train.
  return object.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

CaseList CaseList::from_text(const std::string& text) {
  try {
    const OrderedJson object = OrderedJson::parse(text, [](int depth, OrderedJson::parse_event_t, OrderedJson&) {
      if (depth > deepest_case_list) throw Error("its case list is nested too deeply");
      return true;
    });
    CaseList list;
    list.train = cases_of(object.at("training"), true);
    list.val = cases_of(object.at("validation"), false);
    list.test = cases_of(object.at("test"), false);
    list.pretrained_on = cases_of(object.at("pretrained_on"), true);
    list.complete = object.at("complete").get<bool>();
    return list;
  } catch (const OrderedJson::exception&) {
    throw Error("its case list is damaged");
  } catch (const UsageError&) {
    throw Error("its case list is damaged");
  }
}

CaseList inherited_list(const std::optional<CaseList>& of_init) {
  CaseList list;
  list.complete = of_init && of_init->complete;
  if (!of_init) return list;
  add_new(list.pretrained_on, of_init->train);
  add_new(list.pretrained_on, of_init->pretrained_on);
  return list;
}

CaseList list_cases(CaseList before, const data::Dataset& dataset, const data::Split& split,
                    data::Fingerprints& prints) {
  prints.read(data::all_cases(split));
  prints.read(split.test);
  CaseList list;
  list.complete = before.complete;
  for (const std::size_t one : split.train) {
    list.train.push_back(record(dataset.cases[one], prints.at(one)));
    list.train.back().sketch = data::sketch_of(prints.at(one).thumbnail);
  }
  std::set<std::string> now;
  for (const RecordedCase& one : list.train) now.insert(one.hash);
  list.pretrained_on = std::move(before.pretrained_on);
  const auto still_trained = [&](const RecordedCase& one) { return now.count(one.hash) != 0; };
  before.train.erase(std::remove_if(before.train.begin(), before.train.end(), still_trained), before.train.end());
  add_new(list.pretrained_on, before.train);

  const std::set<std::string> hashes = hashes_trained_on(list);
  const auto record_unused = [&](const std::vector<std::size_t>& cases, Cases& recorded) {
    const std::vector<bool> alike =
        data::resemble_any(prints.thumbnails(cases), prints.thumbnails(split.train), data::near_duplicate_threshold);
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const data::Fingerprint& print = prints.at(cases[i]);
      recorded.push_back(record(dataset.cases[cases[i]], print));
      Seen& seen = recorded.back().seen;
      if (hashes.count(print.hash) != 0)
        seen = Seen::trained;
      else if (alike[i] || resembles(print, {&list.pretrained_on}))
        seen = Seen::near_duplicate;
      else
        seen = list.complete ? Seen::no : Seen::unknown;
    }
  };
  record_unused(split.val, list.val);
  record_unused(split.test, list.test);
  add_new(list.test, before.test);
  return list;
}

CaseList joined_list(const std::vector<CaseList>& members) {
  CaseList list;
  for (const CaseList& member : members) {
    add_new(list.train, member.train);
    add_new(list.pretrained_on, member.pretrained_on);
    list.complete = list.complete && member.complete;
  }
  std::set<std::string> used;
  for (const RecordedCase& one : list.train) used.insert(one.hash);
  const auto add_unused = [&](Cases& cases, const Cases& more) {
    for (const RecordedCase& one : more)
      if (used.insert(one.hash).second) cases.push_back(one);
  };
  for (const CaseList& member : members) add_unused(list.val, member.val);
  for (const CaseList& member : members) add_unused(list.test, member.test);
  return list;
}

Seen worse_of(Seen a, Seen b) {
  for (const Seen worst : {Seen::trained, Seen::near_duplicate, Seen::unknown})
    if (a == worst || b == worst) return worst;
  return Seen::no;
}

std::vector<Seen> seen_by(const std::optional<CaseList>& list, data::Fingerprints& prints,
                          const std::vector<std::size_t>& cases) {
  std::vector<Seen> seen(cases.size(), Seen::unknown);
  if (!list) return seen;
  prints.read(cases);
  const std::set<std::string> hashes = hashes_trained_on(*list);
  std::map<std::string, Seen> known;
  for (const Cases* unused : {&list->val, &list->test})
    for (const RecordedCase& one : *unused) known.emplace(one.hash, one.seen);
  in_parallel(cases.size(), all_cores(), [&](std::size_t i) {
    if (!prints.readable(cases[i])) return;
    const data::Fingerprint& print = prints.at(cases[i]);
    const auto recorded = known.find(print.hash);
    if (hashes.count(print.hash) != 0)
      seen[i] = Seen::trained;
    else if (recorded != known.end())
      seen[i] = recorded->second;
    else if (resembles(print, {&list->train, &list->pretrained_on}))
      seen[i] = Seen::near_duplicate;
    else
      seen[i] = list->complete ? Seen::no : Seen::unknown;
  });
  return seen;
}

std::vector<Seen> recorded_seen(const std::vector<RecordedCase>& cases) {
  std::vector<Seen> seen;
  for (const RecordedCase& one : cases) seen.push_back(one.seen);
  return seen;
}

SeenCounts count_seen(const std::vector<Seen>& seen) {
  const auto count = [&](Seen which) { return static_cast<std::size_t>(std::count(seen.begin(), seen.end(), which)); };
  return {seen.size(), count(Seen::trained), count(Seen::near_duplicate), count(Seen::unknown)};
}

std::vector<std::string> seen_warnings(const SeenCounts& counts, const std::string& which) {
  const std::string of_images = " of " + std::to_string(counts.images) + " " + which + " images";
  std::vector<std::string> warnings;
  if (counts.trained + counts.near_duplicates > 0)
    warnings.push_back(std::to_string(counts.trained) + of_images + " were trained on (" +
                       std::to_string(counts.near_duplicates) + " near-duplicates)");
  if (counts.unknown > 0)
    warnings.push_back("it is not known whether " + std::to_string(counts.unknown) + of_images +
                       ", or near-duplicates of them, were trained on: the checkpoint's case list is missing or "
                       "incomplete");
  return warnings;
}

PresentCases present_cases(const CaseList& list, const data::Dataset& dataset, data::Fingerprints& prints) {
  std::vector<std::size_t> all(dataset.cases.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  prints.read(all);
  std::map<std::string, std::vector<std::size_t>> by_hash;  // cases that are not taken yet
  for (const std::size_t one : all)
    if (prints.readable(one)) by_hash[prints.at(one).hash].push_back(one);

  PresentCases present;
  const std::pair<const Cases*, PresentCases::Part*> parts[] = {
      {&list.train, &present.train}, {&list.val, &present.val}, {&list.test, &present.test}};
  /// The first of the free cases with these pixels for which fits(case) holds becomes one of the part.
  const auto take = [&](const RecordedCase& recorded, PresentCases::Part& part, const auto& fits) {
    const auto found = by_hash.find(recorded.hash);
    if (found == by_hash.end()) return false;
    std::vector<std::size_t>& free = found->second;
    const auto one = std::find_if(free.begin(), free.end(), fits);
    if (one == free.end()) return false;
    part.cases.push_back(*one);
    free.erase(one);
    return true;
  };
  std::vector<std::pair<const RecordedCase*, PresentCases::Part*>> renamed;
  for (const auto& [cases, part] : parts)
    for (const RecordedCase& recorded : *cases) {
      const bool found = take(recorded, *part, [&](std::size_t one) {
        return dataset.cases[one].name == recorded.name && dataset.cases[one].class_name == recorded.class_name;
      });
      if (!found) renamed.push_back({&recorded, part});
    }
  std::map<std::pair<std::string, std::string>, std::size_t> unreadable;  // by class and name
  for (const std::size_t one : all)
    if (!prints.readable(one)) unreadable[{dataset.cases[one].class_name, dataset.cases[one].name}] = one;
  for (const auto& [recorded, part] : renamed) {
    if (take(*recorded, *part, [](std::size_t) { return true; })) continue;
    const auto damaged = unreadable.extract({recorded->class_name, recorded->name});
    if (damaged.empty())
      ++part->missing;
    else
      part->cases.push_back(damaged.mapped());
  }
  present.others = all.size();
  for (const auto& [cases, part] : parts) {
    std::sort(part->cases.begin(), part->cases.end());
    present.others -= part->cases.size();
  }
  return present;
}

}  // namespace attnunet
