// report.html and the page of compare in a real browser: Debian's chromium, without a window.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "common/report/html.h"
#include "support/command_line.h"
#include "support/text.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

const char* const browser = "/usr/bin/chromium";

#define ATTNUNET_SKIP_WITHOUT_BROWSER() \
  if (!fs::exists(browser)) GTEST_SKIP() << "needs " << browser << " (apt-get install chromium)"

struct Loaded {
  std::string dom;      ///< after the scripts ran
  std::string console;  ///< the lines of standard error that come from the page's console
};

Loaded load(const fs::path& page, const fs::path& profile) {
  const Finished finished =
      run_process({browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--disable-extensions", "--user-data-dir=" + profile.string(), "--enable-logging=stderr", "--v=0",
                   "--virtual-time-budget=2000", "--dump-dom", "file://" + page.string()});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  Loaded loaded{finished.out, ""};
  std::istringstream lines(finished.err);
  for (std::string line; std::getline(lines, line);)
    if (line.find("CONSOLE") != std::string::npos) loaded.console += line + "\n";
  return loaded;
}

std::ptrdiff_t count(const std::string& text, const std::string& pattern) {
  return static_cast<std::ptrdiff_t>(matches(text, "(" + pattern + ")").size());
}

/// Asks the page about itself once its own scripts have run: the answer becomes the attribute data-NAME of its root.
std::string asking(std::string page, const std::string& name, const std::string& expression) {
  const std::string script = "<script>addEventListener('load',()=>{document.documentElement.dataset." + name + "=" +
                             expression + "})</script>";
  return page.insert(page.rfind("</body>"), script);
}

// What the other tests rely on: an error would be seen.
TEST(ReportPage, BrokenPagesAreNoticed) {
  ATTNUNET_SKIP_WITHOUT_BROWSER();
  const TemporaryFolder folder;
  // The page allows itself no network.
  write_text(folder / "page.html",
             report::html_page("x", "<img src=\"http://127.0.0.1:9/x.png\" alt=\"\">", "undefined_function()"));
  const std::string console = load(folder / "page.html", folder / "profile").console;
  for (const char* part : {"undefined_function", "Content Security Policy"})
    EXPECT_NE(console.find(part), std::string::npos) << part << " is not in " << console;
}

TEST(ReportPage, OfARunHasACurvePointAnEpochAndNoErrors) {
  ATTNUNET_SKIP_WITHOUT_BROWSER();
  const PhantomFolder phantoms;
  std::vector<std::string> train = phantoms.train(phantoms / "run", {"--panels", "2"});
  *(std::find(train.begin(), train.end(), "--epochs") + 1) = "3";
  expect_success(attnunet_run(train));

  std::string page = read_text(phantoms / "run/report.html");
  page = asking(page, "broken", "[...document.images].filter(i=>!i.complete||i.naturalWidth===0).length");
  page = asking(page, "images", "document.images.length");
  page = asking(page, "wide", "document.documentElement.scrollWidth>innerWidth");
  // The values of the last epoch show when the pointer is far to the right.
  page = asking(page, "tip",
                "(()=>{const s=document.querySelector('.chart svg'),r=s.getBoundingClientRect();s.dispatchEvent(new "
                "PointerEvent('pointermove',{clientX:r.right-1,clientY:r.top+60,bubbles:true}));const "
                "t=document.querySelector('.tip');return getComputedStyle(t).visibility+' '+t.textContent})()");
  write_text(phantoms / "asking.html", page);
  const Loaded loaded = load(phantoms / "asking.html", phantoms / "profile");
  EXPECT_EQ(loaded.console, "");
  EXPECT_NE(loaded.dom.find("data-broken=\"0\""), std::string::npos);
  EXPECT_EQ(loaded.dom.find("data-images=\"0\""), std::string::npos);
  EXPECT_NE(loaded.dom.find("data-wide=\"false\""), std::string::npos) << "the page is wider than the window";
  const std::vector<std::string> tips = matches(loaded.dom, "data-tip=\"([^\"]*)\"");
  ASSERT_FALSE(tips.empty());
  EXPECT_EQ(matches(tips[0], "(^visible epoch 3.*training [0-9.]+.*validation [0-9.]+$)").size(), 1u) << tips[0];
  // Loss and accuracy have two curves, IoU and Dice three; a point is two numbers with a comma.
  EXPECT_EQ(
      count(loaded.dom, "<polyline class=\"curve\"[^>]*points=\"[0-9.]+,[0-9.]+ [0-9.]+,[0-9.]+ [0-9.]+,[0-9.]+\""),
      10);
  EXPECT_EQ(count(loaded.dom, "<polyline"), 10);
  EXPECT_EQ(count(loaded.dom, "after epoch [123]\""), 6);  // two panels an epoch

  expect_success(attnunet_run({"compare", phantoms / "run", phantoms / "run", "--out", phantoms / "compare.html"}));
  const Loaded compared = load(phantoms / "compare.html", phantoms / "profile");
  EXPECT_EQ(compared.console, "");
  EXPECT_EQ(count(compared.dom, "<polyline"), 9 * 2);
}

}  // namespace TEST_FILE
}  // namespace attnunet
