// Charts as SVG in a page: curves over epochs and histograms, with the values under the pointer (mouse, touch, arrow
// keys). Series are told apart by colour, by dashes and by the shape of their points.
// Proof: tests/chart_test.cpp, tests/report_page_test.cpp (in a browser)
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace attnunet::report {

struct Series {
  std::string name;
  std::vector<double> values;  ///< at the chart's x; where it is shorter, or not finite, there is nothing
};

struct LineChart {
  std::string title, x_label = "epoch", y_label;
  std::vector<double> x;  ///< rising
  std::vector<Series> series;
  bool logarithmic = false;         ///< of effect where all values are above 0 and the largest is 10 times the least
  std::optional<double> low, high;  ///< of the vertical axis; from the values where not given
  std::optional<double> limit;      ///< a dotted line across
};

/// HTML: the chart in a box of class "chart".
std::string line_chart(const LineChart& chart);

struct Histogram {
  std::string title, x_label, y_label;
  double low = 0, high = 1;     ///< the bins share this range evenly
  std::vector<Series> stacked;  ///< counts of each bin; as many of each
};

/// HTML: bars, those of one bin on top of each other.
std::string histogram_chart(const Histogram& chart);

/// JavaScript for the values under the pointer; once in a page that has charts.
std::string chart_script();

/// printf's %.*g.
std::string significant(double value, int digits);

/// Round values (1, 2 or 5 times a power of ten) from at least low to at most high, about `count` of them.
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace attnunet::report
