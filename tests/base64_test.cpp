#include "common/io/base64.h"

#include <gtest/gtest.h>

namespace attnunet {
namespace TEST_FILE {

std::vector<std::uint8_t> bytes(const std::string& text) {
  return {text.begin(), text.end()};
}

// The vectors of RFC 4648, section 10.
TEST(Base64, BothWays) {
  const std::vector<std::pair<const char*, const char*>> vectors = {{"", ""},
                                                                    {"f", "Zg=="},
                                                                    {"fo", "Zm8="},
                                                                    {"foo", "Zm9v"},
                                                                    {"foob", "Zm9vYg=="},
                                                                    {"fooba", "Zm9vYmE="},
                                                                    {"foobar", "Zm9vYmFy"}};
  for (const auto& [text, encoded] : vectors) {
    EXPECT_EQ(base64(bytes(text)), encoded);
    EXPECT_EQ(bytes_of_base64(encoded), bytes(text)) << encoded;
  }
  EXPECT_EQ(base64({0xFB, 0xFF, 0xBF}), "+/+/");
  std::vector<std::uint8_t> every;
  for (int i = 0; i < 256; ++i) every.push_back(static_cast<std::uint8_t>(i));
  EXPECT_EQ(bytes_of_base64(base64(every)), every);
}

TEST(Base64, WhatIsNone) {
  for (const char* text : {"A", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm 8", "Zm9\xFF", "=Zg="})
    EXPECT_FALSE(bytes_of_base64(text)) << text;
}

}  // namespace TEST_FILE
}  // namespace attnunet
