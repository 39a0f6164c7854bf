#include "common/train/case_list.h"

#include "common/core/error.h"
#include "common/data/phantom.h"
#include "support/files.h"
#include "support/png_reader.h"

namespace attnunet {
namespace TEST_FILE {

RecordedCase recorded(const std::string& name, const std::string& hash) {
  RecordedCase one{name, "benign", hash, {}, Seen::no};
  for (std::size_t i = 0; i < one.sketch.size(); ++i) one.sketch[i] = static_cast<std::uint8_t>(i * (i + name.size()));
  return one;
}

CaseList example() {
  CaseList list;
  list.train = {recorded("a", "0000000000000001"), recorded("\"b\" \xC3\xA4", "0000000000000002")};
  list.val = {{"c", "normal", "0000000000000003", {}, Seen::near_duplicate}};
  list.pretrained_on = {recorded("d", "0000000000000004")};
  list.complete = false;
  return list;
}

std::string text_without(const std::string& part, const std::string& instead = "") {
  std::string text = example().to_text();
  const std::size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return text.replace(at, part.size(), instead);
}

TEST(CaseList, RoundTrip) {
  const std::string text = example().to_text();
  const CaseList list = CaseList::from_text(text);
  EXPECT_EQ(list.to_text(), text);
  ASSERT_EQ(list.train.size(), 2u);
  EXPECT_EQ(list.train[1].name, "\"b\" \xC3\xA4");
  EXPECT_EQ(list.train[1].hash, "0000000000000002");
  EXPECT_EQ(list.train[1].sketch, example().train[1].sketch);
  ASSERT_EQ(list.val.size(), 1u);
  EXPECT_EQ(list.val[0].class_name, "normal");
  EXPECT_EQ(list.val[0].seen, Seen::near_duplicate);
  EXPECT_TRUE(list.test.empty());
  EXPECT_EQ(list.pretrained_on.at(0).name, "d");
  EXPECT_FALSE(list.complete);
}

TEST(CaseList, TextThatIsNone) {
  EXPECT_NO_THROW(CaseList::from_text(text_without("")));
  for (const std::string& text :
       {std::string(), std::string("?"), std::string("[]"), std::string("{}"), std::string(100000, '['),
        text_without("\"test\":[]"), text_without("\"test\":[]", "\"test\":\"x\""),
        text_without("0000000000000001", "1"), text_without("0000000000000001", "000000000000000G"),
        text_without("near-duplicate", "seldom"), text_without("\"c\"", "7"),
        text_without("\"complete\":false", "\"complete\":0"), text_without("\"sketch\":\"", "\"sketch\":\"AAAA"),
        text_without("\"sketch\":\"", "\"sketch\":\"?"), text_without("sketch", "drawing")}) {
    const std::string message = message_of<Error>([&] { CaseList::from_text(text); });
    EXPECT_NE(message.find("its case list"), std::string::npos) << message;
  }
}

// Names are for people: one in another encoding must not stop a training.
TEST(CaseList, NamesThatAreNotUtf8) {
  CaseList list = example();
  list.train[0].name = "\xE4";
  EXPECT_EQ(CaseList::from_text(list.to_text()).train[0].name, "\xEF\xBF\xBD");
}

// No image can be seen in a file of weights, and its header stays small: readers refuse one of more than 100 MB.
TEST(CaseList, SmallBesideTheImages) {
  const data::Grey thumbnail{data::thumbnail_size, data::thumbnail_size, std::vector<std::uint8_t>(64 * 64, 7)};
  CaseList list;
  list.train.assign(1000, recorded("benign (17)", "0000000000000001"));
  EXPECT_LT(list.to_text().size(), 1000 * thumbnail.pixels.size() / 12);
}

TEST(CaseList, InheritsWhatWasTrainedOn) {
  const CaseList list = inherited_list(example());
  EXPECT_TRUE(list.train.empty());
  EXPECT_TRUE(list.val.empty());
  ASSERT_EQ(list.pretrained_on.size(), 3u);
  EXPECT_EQ(list.pretrained_on[0].name, "a");
  EXPECT_EQ(list.pretrained_on[2].name, "d");
  EXPECT_FALSE(list.complete);
  EXPECT_TRUE(inherited_list(CaseList{}).complete);
  EXPECT_FALSE(inherited_list(std::nullopt).complete);
}

class CasesOnDisk : public ::testing::Test {
 protected:
  CasesOnDisk() { data::synthesize(folder / "set", 20, 32, 5); }

  data::Dataset scan() const { return data::scan(folder / "set"); }
  /// A slightly changed copy of an image.
  static data::Grey altered(const data::Case& one) {
    data::Grey image = data::read_luma(one.image);
    for (std::size_t i = 0; i < image.pixels.size(); i += 9)
      image.pixels[i] = static_cast<std::uint8_t>(image.pixels[i] ^ 3);
    return image;
  }

  TemporaryFolder folder;
};

TEST_F(CasesOnDisk, SeenByPixelsAndNearDuplicates) {
  const data::Dataset dataset = scan();
  data::write_png(dataset.cases[5].image, altered(dataset.cases[0]));
  data::write_png(dataset.cases[10].image, altered(dataset.cases[2]));  // neither trained nor validated on
  std::filesystem::copy_file(dataset.cases[1].image, dataset.cases[6].image,
                             std::filesystem::copy_options::overwrite_existing);
  data::Fingerprints prints(dataset);
  CaseList list = list_cases({}, dataset, {{0, 1, 2}, {4, 5, 6}}, prints);
  EXPECT_EQ(recorded_seen(list.val), (std::vector<Seen>{Seen::no, Seen::near_duplicate, Seen::trained}));
  const std::vector<std::size_t> asked{0, 4, 5, 6, 7, 10};
  EXPECT_EQ(seen_by(list, prints, asked), (std::vector<Seen>{Seen::trained, Seen::no, Seen::near_duplicate,
                                                             Seen::trained, Seen::no, Seen::near_duplicate}));
  // As the file has it.
  EXPECT_EQ(seen_by(CaseList::from_text(list.to_text()), prints, asked), seen_by(list, prints, asked));
  // A successor's validation images are found among the predecessor's training images.
  const CaseList second = list_cases(inherited_list(list), dataset, {{7, 8}, {0, 5, 9}}, prints);
  EXPECT_EQ(recorded_seen(second.val), (std::vector<Seen>{Seen::trained, Seen::near_duplicate, Seen::no}));
  // What it started from is not known.
  list.complete = false;
  EXPECT_EQ(seen_by(list, prints, {0, 7, 5}), (std::vector<Seen>{Seen::trained, Seen::unknown, Seen::near_duplicate}));
  EXPECT_EQ(seen_by(std::nullopt, prints, {0, 4}), (std::vector<Seen>{Seen::unknown, Seen::unknown}));
}

TEST_F(CasesOnDisk, TestCasesAreRecorded) {
  const data::Dataset dataset = scan();
  std::filesystem::copy_file(dataset.cases[1].image, dataset.cases[8].image,
                             std::filesystem::copy_options::overwrite_existing);
  data::Fingerprints prints(dataset);
  const CaseList list = list_cases({}, dataset, {{0, 1, 2}, {3, 4}, {8, 9}}, prints);
  EXPECT_EQ(recorded_seen(list.test), (std::vector<Seen>{Seen::trained, Seen::no}));
  const CaseList loaded = CaseList::from_text(list.to_text());
  EXPECT_EQ(loaded.to_text(), list.to_text());
  const PresentCases present = present_cases(loaded, dataset, prints);
  EXPECT_EQ(present.test.cases, (std::vector<std::size_t>{8, 9}));
  EXPECT_EQ(present.others, 13u);
  EXPECT_EQ(seen_by(loaded, prints, {8, 9}), (std::vector<Seen>{Seen::trained, Seen::no}));
  // Resumed where they are not, they are not forgotten.
  EXPECT_EQ(list_cases(loaded, dataset, {{0, 1, 2}, {3, 4}}, prints).to_text(), list.to_text());
}

// Resumed on the same cases the list is the same; a picture that was replaced stays among those trained on.
TEST_F(CasesOnDisk, ResumingKeepsWhatWasTrainedOn) {
  const data::Dataset dataset = scan();
  const data::Split split{{0, 1, 2}, {3, 4}};
  data::Fingerprints prints(dataset);
  const CaseList list = list_cases({}, dataset, split, prints);
  EXPECT_EQ(list_cases(CaseList::from_text(list.to_text()), dataset, split, prints).to_text(), list.to_text());
  std::filesystem::copy_file(dataset.cases[9].image, dataset.cases[1].image,
                             std::filesystem::copy_options::overwrite_existing);
  data::Fingerprints changed(dataset);
  const CaseList resumed = list_cases(list, dataset, split, changed);
  ASSERT_EQ(resumed.pretrained_on.size(), 1u);
  EXPECT_EQ(resumed.pretrained_on[0].hash, list.train[1].hash);
}

TEST_F(CasesOnDisk, FoundByPixelsOneByOne) {
  const data::Dataset before = scan();
  // 0 and 3 have the same pixels; the names decide which trained.
  std::filesystem::copy_file(before.cases[0].image, before.cases[3].image,
                             std::filesystem::copy_options::overwrite_existing);
  data::Fingerprints prints(before);
  const CaseList list = list_cases({}, before, {{3, 4, 5}, {0, 1, 2}}, prints);
  PresentCases present = present_cases(list, before, prints);
  EXPECT_EQ(present.train.cases, (std::vector<std::size_t>{3, 4, 5}));
  EXPECT_EQ(present.val.cases, (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(present.others, 14u);
  // Renamed, so that it comes last of its class; and one that is gone.
  const std::filesystem::path folder = before.cases[1].image.parent_path();
  std::filesystem::rename(before.cases[1].image, folder / "z.png");
  std::filesystem::rename(before.cases[1].masks[0], folder / "z_mask.png");
  for (std::size_t i = 1; i < before.cases[1].masks.size(); ++i) std::filesystem::remove(before.cases[1].masks[i]);
  std::filesystem::remove(before.cases[4].image);
  for (const auto& mask : before.cases[4].masks) std::filesystem::remove(mask);
  const data::Dataset after = scan();
  data::Fingerprints again(after);
  present = present_cases(list, after, again);
  ASSERT_EQ(present.val.cases.size(), 3u);
  EXPECT_EQ(after.cases[present.val.cases[2]].name, "z");
  EXPECT_EQ(present.val.missing, 0u);
  EXPECT_EQ(present.train.cases.size(), 2u);
  EXPECT_EQ(present.train.missing, 1u);
  EXPECT_EQ(present.others, 14u);
}

// A damaged image of the list is not missing but found, so that using it fails.
TEST_F(CasesOnDisk, DamagedImages) {
  const data::Dataset dataset = scan();
  data::Fingerprints prints(dataset);
  const CaseList list = list_cases({}, dataset, {{0, 1}, {2, 3}}, prints);
  write_text(dataset.cases[7].image, "none");
  data::Fingerprints other_damaged(dataset);
  EXPECT_EQ(present_cases(list, dataset, other_damaged).val.cases.size(), 2u);
  write_text(dataset.cases[2].image, "none");
  data::Fingerprints damaged(dataset);
  const PresentCases present = present_cases(list, dataset, damaged);
  EXPECT_EQ(present.val.cases, (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(present.val.missing, 0u);
  EXPECT_EQ(present.others, 16u);
  EXPECT_EQ(seen_by(list, damaged, {0, 2, 3}), (std::vector<Seen>{Seen::trained, Seen::unknown, Seen::no}));
}

TEST(SeenWarnings, SayWhatIsKnown) {
  EXPECT_TRUE(seen_warnings({20, 0, 0, 0}, "scored").empty());
  EXPECT_EQ(seen_warnings({20, 3, 1, 0}, "scored").at(0), "3 of 20 scored images were trained on (1 near-duplicates)");
  EXPECT_EQ(seen_warnings({20, 0, 2, 0}, "scored").at(0), "0 of 20 scored images were trained on (2 near-duplicates)");
  const auto both = seen_warnings({20, 3, 0, 17}, "validation");
  ASSERT_EQ(both.size(), 2u);
  EXPECT_NE(both[1].find("not known whether 17 of 20 validation images"), std::string::npos) << both[1];
}

}  // namespace TEST_FILE
}  // namespace attnunet
