// Which cases train, which validate and, if wanted, which test.
//
// Grouped (the default): near-duplicates (similarity.h) stay on one side, or the network would be asked in validation
// what it saw in training. A group, or a case that is in none, is a unit. For class c with n_c cases the target is
// round(0.2 n_c) validation cases:
//   1. Units that span several classes, in seeded order: a unit goes to validation if that brings the validation
//      counts of such units closer to 0.2 of their own numbers (sum over classes of the absolute differences).
//   2. Each class for itself, its remaining units in seeded order: of all subsets the sum of whose sizes is closest to
//      what the target still lacks (the smaller sum if two are as close), the first in that order is taken: a unit
//      is in it whenever the rest can still be completed. If single cases are many, as in BUSI, the target is met
//      exactly.
// A test part of share p is drawn first, by the same two steps with p in place of 0.2. Validation then gets a fifth of
// the units that are left, so that near-duplicates stay on one side of all three.
// Cases that the dataset puts in one group (a CSV file's column) are a unit too, together with their near-duplicates.
// Folds: units in seeded order, the larger ones first, each to the fold where it raises
// sum over classes of (cases in fold / n_c)^2 least; ties go to the fold with fewer cases, then to the first.
// With a test part the fold is that part, and a fifth of the other units validates, drawn as above.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/core/names.h"
#include "common/data/dataset.h"

namespace attnunet {
namespace data {

enum class SplitKind { random, grouped, paper, dataset };

}  // namespace data

template <>
struct Names<data::SplitKind> {
  static constexpr const char* option = "split";
  static constexpr Name<data::SplitKind> table[] = {{data::SplitKind::random, "random"},
                                                    {data::SplitKind::grouped, "grouped"},
                                                    {data::SplitKind::paper, "paper"},
                                                    {data::SplitKind::dataset, "dataset"}};
};

namespace data {

class Fingerprints;

struct SplitOptions {
  SplitKind kind = SplitKind::grouped;
  std::filesystem::path train_list, val_list;  ///< instead of kind: files with one case name per line; both or neither
  std::filesystem::path test_list;             ///< if wanted, with the other two
  int folds = 0, fold = 0;                     ///< folds > 0: fold number `fold` validates (kind grouped, no lists)
  double test_part = 0;                        ///< share of each class to test on; with folds > 0 the fold tests
  std::uint64_t seed = 0;
};

/// Indices into Dataset::cases, each in case order.
struct Split {
  std::vector<std::size_t> train, val;
  std::vector<std::size_t> test = {};  ///< neither train nor validate; only recorded, and scored when asked for
};

/// What is wrong with a test part beside the other options, naming flags; "" if nothing is.
std::string test_part_complaint(const SplitOptions& options);

/// Those that train, then those that validate.
std::vector<std::size_t> all_cases(const Split& split);

/// The cases that the dataset itself keeps for testing, without those that the split uses.
std::vector<std::size_t> own_test_cases(const Dataset& dataset, const Split& split);

/// Whether the dataset says itself which cases validate: by folders named train and val, or by its table.
bool has_own_split(const Dataset& dataset);

/// random: round(0.2 n) validation cases of each class; with a test part round(p n) cases test, and round(0.2 rest)
/// validate. paper: the first floor(0.8 n) cases of the case order train. dataset: as it says itself. Lists: as the
/// files say; cases that none of them names are left out. Test cases are the test part and the dataset's own, which
/// only lists can make train or validate; with a test list, those that it names. Throws Error if a list is wrong (file
/// and line are named), lists part a group of the dataset, or no training or no validation case is left, or no test
/// case although there should be some; UsageError for one list without the other, impossible folds, `dataset` if it has
/// no split, and what test_part_complaint says.
///
/// Lists (io/text_file.h tells in which encodings) name a case by its name, by its file's name, or by its path below
/// the dataset's folder, with or without ending; CLASS/NAME works too.
///
/// `prints`, of this dataset, spares reading an image twice.
Split make_split(const Dataset& dataset, const SplitOptions& options, Fingerprints& prints);
Split make_split(const Dataset& dataset, const SplitOptions& options);

/// The cases that a list names, in its order. Throws Error naming file and line if it is wrong.
std::vector<std::size_t> list_order(const Dataset& dataset, const std::filesystem::path& list);

}  // namespace data
}  // namespace attnunet
