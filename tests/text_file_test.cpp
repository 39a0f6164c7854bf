#include "common/io/text_file.h"

#include <sys/stat.h>

#include "common/core/error.h"
#include "support/files.h"

namespace attnunet {
namespace TEST_FILE {

std::string wide(const std::vector<int>& units, bool big_endian) {
  std::string bytes;
  for (const int unit : units) {
    const char high = static_cast<char>(unit >> 8), low = static_cast<char>(unit & 255);
    bytes += big_endian ? std::string{high, low} : std::string{low, high};
  }
  return bytes;
}

TEST(TextFile, EncodingsAndLineEnds) {
  EXPECT_EQ(decoded_text(""), "");
  EXPECT_EQ(decoded_text("a\r\nb\rc\n\rd"), "a\nb\nc\n\nd");
  EXPECT_EQ(decoded_text("\xef\xbb\xbfgr\xc3\xb6\xc3\x9f"), "gr\xc3\xb6\xc3\x9f");
  EXPECT_EQ(decoded_text("gr\xf6"), "gr\xf6");  // a name in Latin-1 stays what it is
  for (const bool big : {false, true}) {
    EXPECT_EQ(decoded_text(wide({0xfeff, 'a', 0xf6, 0x20ac, 0xd83d, 0xde00, '\r', '\n'}, big)),
              "a\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80\n");
    EXPECT_EQ(decoded_text(wide({'a', '\r', 'b'}, big)), "a\nb");  // told by its zero bytes
    for (const auto& units : std::vector<std::vector<int>>{{0xfeff, 0xd83d}, {0xfeff, 0xd83d, 'a'}, {0xfeff, 0xde00}})
      EXPECT_THROW(decoded_text(wide(units, big)), Error);
    EXPECT_THROW(decoded_text(wide({0xfeff, 'a'}, big) + "x"), Error);
  }
}

TEST(TextFile, WhatCannotBeReadIsNamed) {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& name) {
    return message_of<Error>([&] { text_of_file(folder / name, "the list", "name a text file"); });
  };
  EXPECT_NE(message("missing").find("cannot read the list '" + (folder / "missing").string() + "': No such file"),
            std::string::npos);
  EXPECT_NE(message("").find("Is a directory; name a text file"), std::string::npos) << message("");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);  // without a writer: opening it would wait
  EXPECT_NE(message("pipe").find("a pipe or a device"), std::string::npos) << message("pipe");
  write_text(folder / "odd",
             "\xff\xfe"
             "abc");
  EXPECT_NE(message("odd").find("ends within a letter"), std::string::npos);
}

}  // namespace TEST_FILE
}  // namespace attnunet
