#include "common/report/html.h"

#include <gtest/gtest.h>

namespace attnunet::report {
namespace TEST_FILE {

std::vector<std::uint8_t> bytes(const std::string& text) {
  return {text.begin(), text.end()};
}

TEST(Html, EscapesWhatHasAMeaning) {
  EXPECT_EQ(escape_html("a <b> & \"c\" 'd'"), "a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(escape_html(""), "");
  EXPECT_EQ(escape_html("benign (4)"), "benign (4)");
}

TEST(Html, KeepsUtf8AndReplacesWhatIsNone) {
  for (const char* text : {"é", "日本", "\xF0\x9F\x98\x80", "\xEF\xBF\xBD", "a\nb\tc"})
    EXPECT_EQ(escape_html(text), text);
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(escape_html("a\xFF"
                        "b"),
            "a" + bad + "b");
  EXPECT_EQ(escape_html("\xC3"), bad);
  EXPECT_EQ(escape_html("\xC0\xAF"), bad + bad);                      // longer than it need be
  EXPECT_EQ(escape_html("\xED\xA0\x80"), bad + bad + bad);            // half of a surrogate pair
  EXPECT_EQ(escape_html("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // beyond U+10FFFF
  EXPECT_EQ(escape_html("\xE6\x97<"), bad + bad + "&lt;");
  EXPECT_EQ(escape_html(std::string("\x01\0\x7f", 3)), bad + bad + bad);
}

TEST(Html, ImagesAreInThePage) {
  EXPECT_EQ(html_image(bytes("foo"), "a \"b\""), "<img src=\"data:image/png;base64,Zm9v\" alt=\"a &quot;b&quot;\">");
  EXPECT_NE(html_image(bytes("foo"), "", 90).find(" width=\"90\""), std::string::npos);
}

TEST(Html, TablesAlignNumbersToTheRight) {
  const std::string table = html_table({"name", "IoU"}, {{"a", "0.5"}, {"b", "0.25"}});
  EXPECT_NE(table.find("<th class=\"l\">name</th><th>IoU</th>"), std::string::npos) << table;
  EXPECT_NE(table.find("<tr><td class=\"l\">b</td><td>0.25</td></tr>"), std::string::npos) << table;
}

TEST(Html, PagesNeedNothingElse) {
  const std::string page = html_page("<x>", html_section("A & B", "<p>text</p>"), "f()");
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0u);
  EXPECT_NE(page.find("<title>&lt;x&gt;</title>"), std::string::npos);
  EXPECT_NE(page.find("<h2>A &amp; B</h2>"), std::string::npos);
  for (const char* needed : {"viewport", "prefers-color-scheme", "@media print", "default-src 'none'", "f()</script>"})
    EXPECT_NE(page.find(needed), std::string::npos) << needed;
  for (const char* outside : {"http:", "https:", "@import", "url("})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
}

}  // namespace TEST_FILE
}  // namespace attnunet::report
