#include "common/report/chart.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <sstream>

#include "support/json.h"
#include "support/text.h"

namespace attnunet::report {
namespace TEST_FILE {

const double nan = std::numeric_limits<double>::quiet_NaN();

/// The points of every polyline, curve by curve.
std::vector<std::vector<std::pair<double, double>>> curves(const std::string& html) {
  std::vector<std::vector<std::pair<double, double>>> result;
  for (const std::string& points : matches(html, "<polyline[^>]*points=\"([^\"]*)\"")) {
    std::istringstream text(points);
    result.emplace_back();
    char comma;
    for (double x, y; text >> x >> comma >> y;) result.back().emplace_back(x, y);
  }
  return result;
}

/// What the script gets.
nlohmann::json data_of(const std::string& html) {
  std::string text = matches(html, "data-chart=\"([^\"]*)\"").at(0);
  for (std::size_t i; (i = text.find("&quot;")) != std::string::npos;) text.replace(i, 6, "\"");
  return parse_json(text);
}

LineChart chart_of(const std::vector<double>& a, const std::vector<double>& b = {}) {
  LineChart chart;
  chart.title = "IoU";
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) chart.x.push_back(static_cast<double>(i + 1));
  chart.series = {{"training", a}, {"validation", b}};
  return chart;
}

TEST(RoundTicks, AreOneTwoOrFive) {
  EXPECT_EQ(round_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(round_ticks(1, 8, 8), (std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(round_ticks(-0.5, 0.5, 4), (std::vector<double>{-0.5, 0, 0.5}));
  const std::vector<double> small = round_ticks(0.90, 0.99, 5);
  ASSERT_EQ(small.size(), 5u);
  EXPECT_NEAR(small[0], 0.90, 1e-12);
  EXPECT_NEAR(small[4], 0.98, 1e-12);
}

TEST(LineChart, HasAPointForEveryValueWhereItBelongs) {
  LineChart chart = chart_of({0, 0.5, 1}, {0.25, 0.25});
  chart.low = 0;
  chart.high = 1;
  const auto found = curves(line_chart(chart));
  ASSERT_EQ(found.size(), 2u);
  ASSERT_EQ(found[0].size(), 3u);
  ASSERT_EQ(found[1].size(), 2u);
  const auto& first = found[0];
  EXPECT_NEAR(first[1].first - first[0].first, first[2].first - first[1].first, 0.11);
  EXPECT_NEAR(first[0].second - first[1].second, first[1].second - first[2].second, 0.11);
  EXPECT_GT(first[0].second, first[1].second);  // upwards
  EXPECT_NEAR(found[1][0].second, (first[0].second + first[1].second) / 2, 0.11);
}

TEST(LineChart, LogarithmicAxisHasEqualRatios) {
  LineChart chart = chart_of({0.01, 0.1, 1});
  chart.logarithmic = true;
  const auto found = curves(line_chart(chart));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NEAR(found[0][0].second - found[0][1].second, found[0][1].second - found[0][2].second, 0.11);
  EXPECT_GT(found[0][0].second - found[0][1].second, 50);
}

TEST(LineChart, LogarithmicWhereThatTellsMore) {
  LineChart chart = chart_of({0.5, 0.6});
  chart.logarithmic = true;
  EXPECT_EQ(line_chart(chart).find("logarithmic"), std::string::npos);
  chart.series[1].values = {0.01};
  EXPECT_NE(line_chart(chart).find("logarithmic"), std::string::npos);
  chart.series[1].values = {0};
  EXPECT_EQ(line_chart(chart).find("logarithmic"), std::string::npos);
}

TEST(LineChart, GapsWhereThereIsNoNumber) {
  const auto found = curves(line_chart(chart_of({1, 2, nan, 4}, {1})));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].size(), 2u);
  EXPECT_EQ(found[1].size(), 1u);
  for (const std::string bad : {"nan", "inf"})
    EXPECT_EQ(line_chart(chart_of({nan, std::numeric_limits<double>::infinity()})).find(bad), std::string::npos) << bad;
}

TEST(LineChart, ScriptGetsTheValues) {
  const nlohmann::json data = data_of(line_chart(chart_of({0.123456, nan}, {0.5})));
  EXPECT_EQ(data["names"], (nlohmann::json{"epoch 1", "epoch 2"}));
  EXPECT_EQ(data["x"].size(), 2u);
  EXPECT_EQ(data["series"][0]["values"], (nlohmann::json{"0.1235", "-"}));
  EXPECT_EQ(data["series"][1]["name"], "validation");
}

TEST(LineChart, SeriesDifferByMoreThanColour) {
  LineChart chart = chart_of({1, 2});
  chart.series.clear();
  std::set<std::string> styles;
  for (int i = 0; i < 32; ++i) chart.series.push_back({"run", {1, 2}});
  const std::string html = line_chart(chart);
  for (const std::string& style : matches(html, "<polyline class=\"curve\" (.*) points")) styles.insert(style);
  EXPECT_EQ(styles.size(), 32u);
  for (const char* shape : {"<circle", "<polygon", "stroke-dasharray"})
    EXPECT_NE(html.find(shape), std::string::npos) << shape;
}

TEST(LineChart, OddInputIsDrawn) {
  for (const LineChart& chart :
       {chart_of({}), chart_of({0.5}), chart_of({0, 0}), chart_of({-1e300, 1e300}), chart_of({1e-300, 2e-300})}) {
    const std::string html = line_chart(chart);
    EXPECT_NE(html.find("</svg>"), std::string::npos);
    EXPECT_EQ(html.find("nan"), std::string::npos);
    EXPECT_LT(html.size(), 20000u);
  }
  LineChart odd = chart_of({1, 2});
  odd.series[0].name = "<script>\"\xFF";
  EXPECT_EQ(line_chart(odd).find("<script>"), std::string::npos);
}

TEST(HistogramChart, BarsAreAsHighAsTheirCounts) {
  Histogram chart;
  chart.stacked = {{"benign", {1, 0, 4}}, {"malignant", {2, 0, 0}}};
  const std::string html = histogram_chart(chart);
  std::vector<double> heights;
  for (const std::string& height : matches(html, "class=\"bar\"[^>]* height=\"([0-9.]+)\""))
    heights.push_back(std::stod(height));
  ASSERT_EQ(heights.size(), 3u);  // none where there is nothing
  EXPECT_NEAR(heights[1], 2 * heights[0], 0.3);
  EXPECT_NEAR(heights[2], 4 * heights[0], 0.3);
  EXPECT_EQ(data_of(html)["series"][1]["values"], (nlohmann::json{"2", "0", "0"}));
}

}  // namespace TEST_FILE
}  // namespace attnunet::report
