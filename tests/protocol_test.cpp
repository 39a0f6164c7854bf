#include "common/train/protocol.h"

#include <gtest/gtest.h>

namespace attnunet {
namespace TEST_FILE {

TEST(Protocol, OfARunSaysWhatChoosesTheEpoch) {
  EXPECT_EQ(protocol_text(data::Split{{0, 1, 2}, {3}}),
            "3 cases train; 1 validation case chooses the epoch of best.safetensors and also gives the validation "
            "scores, which flatter that file; there are no test cases");
  EXPECT_EQ(protocol_text(data::Split{{0}, {1, 2}, {3, 4}}),
            "1 case trains; 2 validation cases choose the epoch of best.safetensors; 2 test cases do neither (scores: "
            "evaluate --subset test)");
}

TEST(Protocol, OfAnEvaluationSaysWhatItsCasesDid) {
  EXPECT_EQ(protocol_text(Subset::test, 1, true, 0, false), "scores of 1 case that neither trained nor chose an epoch");
  EXPECT_EQ(protocol_text(Subset::train, 7, true, 7, false), "scores of 7 cases that were trained on");
  EXPECT_NE(protocol_text(Subset::val, 7, true, 0, false).find("chose the epoch of best.safetensors"),
            std::string::npos);
  EXPECT_NE(protocol_text(Subset::val, 7, true, 0, true).find("--patience"), std::string::npos);
  EXPECT_NE(protocol_text(Subset::test, 7, true, 3, false).find("3 of them, or near-duplicates, were trained on"),
            std::string::npos);
  for (const Name<Subset>& one : Names<Subset>::table)
    EXPECT_NE(protocol_text(one.value, 7, false, 0, false).find("does not record"), std::string::npos) << one.text;
}

}  // namespace TEST_FILE
}  // namespace attnunet
