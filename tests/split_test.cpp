#include "common/data/split.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/core/error.h"
#include "common/core/random.h"
#include "common/data/fingerprint.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

using Counts = std::map<std::string, int>;

Counts counts(const Dataset& dataset, const std::vector<std::size_t>& cases) {
  Counts result;
  for (const std::size_t i : cases) ++result[dataset.cases[i].class_name];
  return result;
}

Split make(const Dataset& dataset, SplitKind kind, std::uint64_t seed = 0, int folds = 0, int fold = 0) {
  SplitOptions options;
  options.kind = kind;
  options.seed = seed;
  options.folds = folds;
  options.fold = fold;
  return make_split(dataset, options);
}

void expect_every_case_once(const Dataset& dataset, const Split& split) {
  std::vector<std::size_t> all = split.train;
  all.insert(all.end(), split.val.begin(), split.val.end());
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), dataset.cases.size());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], i);
  EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end()));
  EXPECT_TRUE(std::is_sorted(split.val.begin(), split.val.end()));
}

/// A dataset of small noise images; pictures[i] says which picture case i of the class shows: equal numbers (0 to 99,
/// whatever the class) are near-duplicates.
Dataset noise_dataset(const std::filesystem::path& root, const std::map<std::string, std::vector<int>>& pictures) {
  for (const auto& [class_name, numbers] : pictures) {
    std::filesystem::create_directories(root / class_name);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      Random random(static_cast<std::uint64_t>(numbers[i]));
      Grey image{64, 64, {}};
      for (int p = 0; p < 64 * 64; ++p) image.pixels.push_back(static_cast<std::uint8_t>(random.below(250)));
      image.pixels[i] = 255;
      const std::string name = class_name + " (" + std::to_string(i) + ")";
      write_png(root / class_name / (name + ".png"), image);
      write_png(root / class_name / (name + "_mask.png"), Grey{64, 64, std::vector<std::uint8_t>(64 * 64, 0)});
    }
  }
  return scan(root);
}

std::vector<int> numbers(int first, int count) {
  std::vector<int> result;
  for (int i = 0; i < count; ++i) result.push_back(first + i);
  return result;
}

TEST(Split, RandomTakesAFifthOfEachClass) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), {{"benign", numbers(0, 13)}, {"normal", numbers(50, 7)}});
  const Split split = make(dataset, SplitKind::random, 5);
  expect_every_case_once(dataset, split);
  EXPECT_EQ(counts(dataset, split.val), (Counts{{"benign", 3}, {"normal", 1}}));
  EXPECT_EQ(make(dataset, SplitKind::random, 5).val, split.val);
  std::set<std::vector<std::size_t>> seen;
  for (std::uint64_t seed = 0; seed < 5; ++seed) seen.insert(make(dataset, SplitKind::random, seed).val);
  EXPECT_GT(seen.size(), 1u);
}

TEST(Split, GroupsAreNeverCutAndTheTargetIsApproached) {
  const TemporaryFolder root;
  // benign: groups of 3, 3, 2 and two single ones (target 2); normal: groups of 4 and 4 (target 2, closest 0 or 4);
  // picture 20 is in both classes.
  const Dataset dataset = noise_dataset(
      root.path(), {{"benign", {1, 1, 1, 2, 2, 2, 3, 3, 4, 20}}, {"normal", {7, 7, 7, 7, 8, 8, 8, 8, 20}}});
  const auto groups = near_duplicate_groups(Fingerprints(dataset).thumbnails(), near_duplicate_threshold);
  ASSERT_EQ(groups.size(), 6u);
  std::set<std::vector<std::size_t>> seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Split split = make(dataset, SplitKind::grouped, seed);
    expect_every_case_once(dataset, split);
    for (const auto& group : groups) {
      const auto inside = std::count_if(group.begin(), group.end(), [&](std::size_t i) {
        return std::binary_search(split.val.begin(), split.val.end(), i);
      });
      EXPECT_TRUE(inside == 0 || inside == static_cast<std::ptrdiff_t>(group.size()));
    }
    EXPECT_EQ(counts(dataset, split.val), (Counts{{"benign", 2}}));
    seen.insert(split.val);
  }
  EXPECT_EQ(seen.size(), 1u);  // only the pair makes 2
}

TEST(Split, FoldsHoldEveryCaseOnce) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(
      root.path(), {{"benign", {1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8}}, {"malignant", {1, 21, 22, 23, 24, 25}}});
  std::vector<int> times(dataset.cases.size(), 0);
  for (int fold = 0; fold < 4; ++fold) {
    const Split split = make(dataset, SplitKind::grouped, 3, 4, fold);
    expect_every_case_once(dataset, split);
    for (const std::size_t i : split.val) ++times[i];
    EXPECT_GE(split.val.size(), 4u);
    EXPECT_LE(split.val.size(), 5u);
  }
  EXPECT_EQ(times, std::vector<int>(dataset.cases.size(), 1));
}

Split with_test_part(const Dataset& dataset, SplitKind kind, double part, std::uint64_t seed, int folds = 0,
                     int fold = 0) {
  SplitOptions options;
  options.kind = kind;
  options.seed = seed;
  options.folds = folds;
  options.fold = fold;
  options.test_part = part;
  return make_split(dataset, options);
}

void expect_every_case_in_one_of_three(const Dataset& dataset, const Split& split) {
  Split joined = split;
  joined.val.insert(joined.val.end(), split.test.begin(), split.test.end());
  std::sort(joined.val.begin(), joined.val.end());
  expect_every_case_once(dataset, joined);
  EXPECT_TRUE(std::is_sorted(split.val.begin(), split.val.end()));
  EXPECT_TRUE(std::is_sorted(split.test.begin(), split.test.end()));
}

TEST(Split, TestPartIsDrawnBeforeValidation) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), {{"benign", numbers(0, 23)}, {"normal", numbers(50, 14)}});
  for (const SplitKind kind : {SplitKind::random, SplitKind::grouped}) {
    const Split split = with_test_part(dataset, kind, 0.3, 5);
    expect_every_case_in_one_of_three(dataset, split);
    EXPECT_EQ(counts(dataset, split.test), (Counts{{"benign", 7}, {"normal", 4}}));  // round(6.9), round(4.2)
    EXPECT_EQ(counts(dataset, split.val), (Counts{{"benign", 3}, {"normal", 2}}));   // of 16 and 10
    EXPECT_EQ(with_test_part(dataset, kind, 0.3, 5).test, split.test);
    EXPECT_NE(with_test_part(dataset, kind, 0.3, 6).test, split.test);
    const Split without = with_test_part(dataset, kind, 0, 5);
    EXPECT_EQ(without.val, make(dataset, kind, 5).val);
    EXPECT_TRUE(without.test.empty());
  }
}

TEST(Split, GroupsAreOnOneSideOfAllThreeParts) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), {{"benign", {1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 20}},
                                                      {"normal", {31, 31, 32, 32, 33, 33, 34, 35, 36, 20}}});
  const auto groups = near_duplicate_groups(Fingerprints(dataset).thumbnails(), near_duplicate_threshold);
  ASSERT_EQ(groups.size(), 7u);
  const auto expect_whole = [&](const Split& split) {
    expect_every_case_in_one_of_three(dataset, split);
    for (const auto& group : groups)
      for (const auto* part : {&split.train, &split.val, &split.test}) {
        const auto inside = std::count_if(group.begin(), group.end(), [&](std::size_t i) {
          return std::binary_search(part->begin(), part->end(), i);
        });
        EXPECT_TRUE(inside == 0 || inside == static_cast<std::ptrdiff_t>(group.size()));
      }
  };
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Split split = with_test_part(dataset, SplitKind::grouped, 0.25, seed);
    expect_whole(split);
    EXPECT_GE(split.test.size(), 5u);
    EXPECT_LE(split.test.size(), 7u);
  }
  std::vector<int> times(dataset.cases.size(), 0);
  for (int fold = 0; fold < 3; ++fold) {
    const Split split = with_test_part(dataset, SplitKind::grouped, 0.33, 2, 3, fold);
    expect_whole(split);
    EXPECT_EQ(split.test, make(dataset, SplitKind::grouped, 2, 3, fold).val);  // the same folds
    EXPECT_GE(split.val.size(), 2u);
    EXPECT_LE(split.val.size(), 4u);
    for (const std::size_t i : split.test) ++times[i];
  }
  EXPECT_EQ(times, std::vector<int>(dataset.cases.size(), 1));
}

TEST(Split, TestPartThatDoesNotGo) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), {{"benign", numbers(0, 5)}});
  const auto expect_error = [&](SplitOptions options, const std::string& reason) {
    const std::string message = message_of<UsageError>([&] { make_split(dataset, options); });
    EXPECT_NE(message.find(reason), std::string::npos) << message;
  };
  SplitOptions options;
  options.test_part = 0.2;
  for (const SplitKind kind : {SplitKind::paper, SplitKind::dataset}) {
    options.kind = kind;
    expect_error(options, std::string("--split ") + name_of(kind));
  }
  options.kind = SplitKind::grouped;
  options.folds = 3;
  expect_error(options, "1/3");
  options.folds = 0;
  options.train_list = options.val_list = "list";
  expect_error(options, "--test-list");
  options = {};
  options.test_list = "list";
  expect_error(options, "--train-list");
  options = {};
  options.test_part = 0.05;  // of 5 cases: none
  EXPECT_NE(message_of<Error>([&] { make_split(dataset, options); }).find("no test case"), std::string::npos);
}

TEST(Split, TestList) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), {{"benign", numbers(0, 5)}});
  SplitOptions options;
  options.train_list = root / "train.txt";
  options.val_list = root / "val.txt";
  options.test_list = root / "test.txt";
  write_text(options.train_list, "benign (0)\n");
  write_text(options.val_list, "benign (4)\n");
  write_text(options.test_list, "benign (3)\nbenign (1)\n");
  const Split split = make_split(dataset, options);
  EXPECT_EQ(split.train, (std::vector<std::size_t>{0}));
  EXPECT_EQ(split.val, (std::vector<std::size_t>{4}));
  EXPECT_EQ(split.test, (std::vector<std::size_t>{1, 3}));

  Dataset patients = dataset;
  patients.cases[3].group = patients.cases[4].group = "p";
  const std::string parted = message_of<Error>([&] { make_split(patients, options); });
  EXPECT_NE(parted.find("'benign (4)' validates and 'benign (3)' tests"), std::string::npos) << parted;
  Dataset own = dataset;
  own.cases[2].part = Part::test;
  EXPECT_EQ(make_split(own, options).test, split.test);
  write_text(options.test_list, "benign (0)\n");
  EXPECT_NE(message_of<Error>([&] { make_split(dataset, options); }).find("already named"), std::string::npos);
  write_text(options.test_list, "\n");
  EXPECT_NE(message_of<Error>([&] { make_split(dataset, options); }).find("no test case"), std::string::npos);
}

TEST(Split, ListsAreReadAndTheirErrorsNamed) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), {{"benign", numbers(0, 4)}, {"normal", {10}}});
  SplitOptions options;
  options.train_list = root / "train.txt";
  options.val_list = root / "val.txt";
  write_text(options.val_list, "benign (2)\n");
  write_text(options.train_list, "\r\nbenign (3)\r\n\n  benign (0) \r\n");
  const Split split = make_split(dataset, options);
  EXPECT_EQ(split.train, (std::vector<std::size_t>{0, 3}));
  EXPECT_EQ(split.val, (std::vector<std::size_t>{2}));

  const auto expect_error = [&](const std::string& train, const std::string& place, const std::string& reason,
                                const std::vector<std::string>& classes = {}) {
    write_text(options.train_list, train);
    const std::string message = message_of<Error>([&] { make_split(scan(root.path(), classes), options); });
    EXPECT_NE(message.find(place), std::string::npos) << message;
    EXPECT_NE(message.find(reason), std::string::npos) << message;
  };
  expect_error("benign (1)\n\nbenign (9)\n", "train.txt' line 3", "no case 'benign (9)'");
  expect_error("benign (1)\nbenign (1)\n", "train.txt' line 2", "already named");
  expect_error("benign (1)\nbenign (2)\n", "val.txt' line 1", "already named");
  expect_error("benign (1)\nnormal (0)\n", "train.txt' line 2", "--classes leaves out", {"benign"});
  expect_error("\n", root.path().string(), "no training case");
  std::filesystem::remove(options.train_list);
  EXPECT_THROW(make_split(dataset, options), Error);
  options.train_list.clear();
  EXPECT_THROW(make_split(dataset, options), UsageError);
}

TEST(Split, ListsOfOtherProgramsAreRead) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), {{"benign", numbers(0, 3)}, {"normal", {10}}});
  SplitOptions options;
  options.train_list = root / "train.txt";
  options.val_list = root / "val.txt";
  write_text(options.val_list, "normal (0)\n");
  const auto train = [&](const std::string& text) {
    write_text(options.train_list, text);
    return make_split(dataset, options).train;
  };
  const std::string bom = "\xef\xbb\xbf";
  std::string wide = "\xff\xfe", wide_swapped = "\xfe\xff";
  for (const char letter : std::string("benign (0)\r\nbenign (2)\r\n")) {
    wide += {letter, '\0'};
    wide_swapped += {'\0', letter};
  }
  for (const std::string& text :
       {bom + "benign (0)\nbenign (2)\n", std::string("benign (0)\rbenign (2)\r"), wide, wide_swapped,
        std::string("benign/benign (0)\nbenign/benign (2).png\n"), std::string("benign (0).png\nbenign (2).png\n")})
    EXPECT_EQ(train(text), (std::vector<std::size_t>{0, 2})) << text;

  const std::string message =
      message_of<Error>([&] { train("benign (0)\nbenign\x01 (2)" + std::string(200, 'x') + "\n"); });
  EXPECT_NE(message.find("line 2: there is no case 'benign? (2)xxx"), std::string::npos) << message;
  EXPECT_LT(message.size(), 500u + root.path().string().size());
  EXPECT_NE(message_of<Error>([&] {
              train(
                  "\xff\xfe"
                  "abc");
            }).find("UTF-16"),
            std::string::npos);
}

TEST(Split, NamesInSeveralClassesNeedTheirClassInAList) {
  const TemporaryFolder root;
  noise_dataset(root.path(), {{"benign", {0}}, {"normal", {1}}});
  for (const char* class_name : {"benign", "normal"})
    for (const char* ending : {".png", "_mask.png"})
      std::filesystem::rename(root / (class_name + std::string("/") + class_name + " (0)" + ending),
                              root / (class_name + std::string("/x") + ending));
  const Dataset dataset = scan(root.path());
  SplitOptions options;
  options.train_list = root / "train.txt";
  options.val_list = root / "val.txt";
  write_text(options.train_list, "benign/x\n");
  write_text(options.val_list, "normal/x.png\n");
  EXPECT_EQ(make_split(dataset, options).val, std::vector<std::size_t>{1});
  write_text(options.val_list, "x\n");
  const std::string message = message_of<Error>([&] { make_split(dataset, options); });
  EXPECT_NE(message.find("line 1: several cases are called 'x', as 'benign/x.png' and 'normal/x.png'"),
            std::string::npos)
      << message;
}

TEST(Split, NothingLeftOrImpossibleIsRefused) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), {{"benign", {1, 1}}});
  EXPECT_THROW(make(dataset, SplitKind::grouped), Error);
  EXPECT_THROW(make(dataset, SplitKind::random), Error);
  EXPECT_EQ(make(dataset, SplitKind::paper).val.size(), 1u);
  EXPECT_THROW(make(dataset, SplitKind::grouped, 0, 1, 0), UsageError);
  EXPECT_THROW(make(dataset, SplitKind::grouped, 0, 2, 2), UsageError);
  EXPECT_THROW(make(dataset, SplitKind::paper, 0, 2, 1), UsageError);
}

TEST(Split, PaperNamesTheGroupsIfTheyLeaveNothing) {
  const TemporaryFolder root;
  Dataset dataset = noise_dataset(root.path(), {{"benign", numbers(0, 5)}});
  const auto message = [&] { return message_of<Error>([&] { make(dataset, SplitKind::paper); }); };
  EXPECT_NO_THROW(make(dataset, SplitKind::paper));
  for (Case& one : dataset.cases) one.group = "p";
  EXPECT_NE(message().find("no validation case is left"), std::string::npos) << message();
  EXPECT_NE(message().find("--split paper puts all of a group where its first case is"), std::string::npos)
      << message();
}

TEST(Split, PaperValidatesOnNoBenignCaseOfBusi) {
  const auto root = shared_data() / "busi-256";
  ATTNUNET_SKIP_WITHOUT(root);
  const Dataset dataset = scan(root);
  const Split split = make(dataset, SplitKind::paper);
  expect_every_case_once(dataset, split);
  EXPECT_EQ(split.train.size(), 624u);
  EXPECT_EQ(counts(dataset, split.val), (Counts{{"malignant", 23}, {"normal", 133}}));
}

TEST(Split, PublishedListsOfBusi) {
  const auto root = shared_data() / "busi-256", lists = shared_data() / "splits";
  ATTNUNET_SKIP_WITHOUT(root);
  ATTNUNET_SKIP_WITHOUT(lists);
  const Dataset dataset = scan(root);
  for (const std::string number : {"1", "2", "3"}) {
    SplitOptions options;
    options.train_list = lists / ("busi_train" + number + ".txt");
    options.val_list = lists / ("busi_val" + number + ".txt");
    const Split split = make_split(dataset, options);
    EXPECT_EQ(split.train.size(), 452u);
    EXPECT_EQ(split.val.size(), 195u);
    EXPECT_EQ(counts(dataset, split.val).count("normal"), 0u);
  }
}

TEST(Split, GroupedMeetsTheTargetsOfBusi) {
  const auto root = shared_data() / "busi-256";
  ATTNUNET_SKIP_WITHOUT(root);
  const Dataset dataset = scan(root);
  const Split split = make(dataset, SplitKind::grouped);
  expect_every_case_once(dataset, split);
  EXPECT_EQ(counts(dataset, split.val), (Counts{{"benign", 87}, {"malignant", 42}, {"normal", 27}}));
  for (const SimilarPair& pair : similar_pairs(Fingerprints(dataset).thumbnails(), near_duplicate_threshold))
    EXPECT_EQ(std::binary_search(split.val.begin(), split.val.end(), pair.a),
              std::binary_search(split.val.begin(), split.val.end(), pair.b));
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
