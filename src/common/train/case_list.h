// The cases that a checkpoint was trained and validated on, and whether given images are among them.
//
// An image is recognised by the hash of its pixels and a near-duplicate by its sketch (data/sketch.h), so neither the
// names nor the places of files matter, nor whether the training images are still there. A sketch is too small to show
// its image. Validation images were compared with the training images themselves when the list was made.
// In a checkpoint the list is the metadata string `case_list`, JSON:
//   {"training": [{"name", "class", "pixels", "sketch"}...],
//    "validation": [{"name", "class", "pixels", "seen"}...],
//    "test": [as validation], the cases that the dataset keeps for testing,
//    "pretrained_on": [as training...], what the checkpoint of --init, and those before it, were trained on,
//    "complete": false if one of those had no case list, or not a complete one}
// pixels: data::Fingerprint's hash. sketch: 128 bytes in base64.
// Proof: tests/case_list_test.cpp, tests/seen_test.cpp
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common/core/names.h"
#include "common/data/fingerprint.h"
#include "common/data/sketch.h"
#include "common/data/split.h"

namespace attnunet {

/// Whether an image, or a near-duplicate of it, was trained on.
enum class Seen { no, trained, near_duplicate, unknown };

template <>
struct Names<Seen> {
  static constexpr const char* option = "seen";
  static constexpr Name<Seen> table[] = {{Seen::no, "no"},
                                         {Seen::trained, "trained"},
                                         {Seen::near_duplicate, "near-duplicate"},
                                         {Seen::unknown, "unknown"}};
};

struct RecordedCase {
  std::string name, class_name, hash;
  data::Sketch sketch{};  ///< of images trained on
  Seen seen = Seen::no;   ///< of validation and test images, by the training images and pretrained_on
};

struct CaseList {
  std::vector<RecordedCase> train, val, test, pretrained_on;
  bool complete = true;  ///< nothing else can have been trained on

  std::string to_text() const;
  /// Throws Error, without the file's name, if the text is no case list.
  static CaseList from_text(const std::string& text);
};

/// For a run that starts from the weights of a checkpoint with this list, or with none.
CaseList inherited_list(const std::optional<CaseList>& of_init);

/// The list of a run on this split. `before` is empty, inherited, or that of the checkpoint which is resumed: what that
/// was trained on and is not trained on now counts as pretrained_on; its test cases stay. Reads the images of the
/// split; throws the Error of one that cannot be read.
CaseList list_cases(CaseList before, const data::Dataset& dataset, const data::Split& split,
                    data::Fingerprints& prints);

/// Of an ensemble: what any of its members was trained on; of the rest the validation cases of any, then the test cases
/// of any. For finding them: seen_by must be asked of each member.
CaseList joined_list(const std::vector<CaseList>& members);

/// What two say of one image together: that it was trained on if either says that.
Seen worse_of(Seen a, Seen b);

/// Of each of the cases (indices into prints' dataset) by a checkpoint's list. All unknown if it has none; unknown for
/// an image that cannot be read.
std::vector<Seen> seen_by(const std::optional<CaseList>& list, data::Fingerprints& prints,
                          const std::vector<std::size_t>& cases);

/// `seen` of the validation or test images.
std::vector<Seen> recorded_seen(const std::vector<RecordedCase>& cases);

struct SeenCounts {
  std::size_t images = 0, trained = 0, near_duplicates = 0, unknown = 0;
};
SeenCounts count_seen(const std::vector<Seen>& seen);
/// What is to be said of `which` images ("scored"), sentence by sentence; nothing if none was seen and all is known.
std::vector<std::string> seen_warnings(const SeenCounts& counts, const std::string& which);

/// Where the recorded cases are in a dataset. A recorded case and a case of the dataset make at most one pair; of
/// several with the same pixels those with the same class and name belong together. An image that cannot be read is
/// taken for the recorded case of its class and name, so that it is an error to use it rather than a missing case.
struct PresentCases {
  struct Part {
    std::vector<std::size_t> cases;  ///< indices into the dataset, ascending
    std::size_t missing = 0;
  };
  Part train, val, test;
  std::size_t others = 0;  ///< cases of the dataset that are none of them
};
PresentCases present_cases(const CaseList& list, const data::Dataset& dataset, data::Fingerprints& prints);

}  // namespace attnunet
