// Every enumeration with names: the table, and that nothing else becomes a value.
#include "common/core/names.h"

#include <gtest/gtest.h>

#include <set>

#include "common/core/backend.h"
#include "common/data/augment.h"
#include "common/data/split.h"
#include "common/nn/architecture.h"
#include "common/train/loss.h"
#include "common/train/lr_schedule.h"
#include "support/files.h"

namespace attnunet {
namespace TEST_FILE {

template <class E>
class NamesOf : public ::testing::Test {};
using Enumerations =
    ::testing::Types<Backend, Precision, ConvMethod, Variant, LossKind, LrSchedule, data::Augment, data::SplitKind>;
TYPED_TEST_SUITE(NamesOf, Enumerations);

TYPED_TEST(NamesOf, ThereAndBack) {
  std::set<std::string> names;
  for (const Name<TypeParam>& one : Names<TypeParam>::table) {
    EXPECT_EQ(parse<TypeParam>(one.text), one.value);
    EXPECT_STREQ(name_of(one.value), one.text);
    EXPECT_TRUE(names.insert(one.text).second) << one.text << " twice";
  }
  EXPECT_EQ(names.size(), names_of<TypeParam>().size());
}

TYPED_TEST(NamesOf, AnyOtherTextIsRefusedWithTheOptionAndItsNames) {
  for (const std::string text : {"", "x", " cpu", "CPU", "0"}) {
    const std::string message = message_of<UsageError>([&] { parse<TypeParam>(text); });
    const std::string begin = std::string("--") + Names<TypeParam>::option + " '" + text + "' is unknown: one of ";
    EXPECT_EQ(message.rfind(begin, 0), 0u) << message;
    for (const std::string& name : names_of<TypeParam>()) EXPECT_NE(message.find(name), std::string::npos) << message;
  }
}

TYPED_TEST(NamesOf, NumberThatIsNoValueIsRefused) {
  for (const int number : {-1, 100}) EXPECT_THROW(name_of(static_cast<TypeParam>(number)), std::logic_error) << number;
}

}  // namespace TEST_FILE
}  // namespace attnunet
