#include "common/report/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "common/report/html.h"

namespace attnunet::report {
namespace {

// In SVG units: about CSS pixels on a phone.
constexpr double page_width = 440, plot_height = 190, left = 52, right = 14, below = 42, legend_line = 18;
constexpr double plot_width = page_width - left - right;
constexpr std::size_t most_marked = 40;  // more points than these have no marks
constexpr int colours = 8;
constexpr const char* dashes[] = {"", "7 4", "2 4", "10 3 2 3"};

std::string px(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string colour(std::size_t series) {
  return "var(--s" + std::to_string(series % colours) + ")";
}

/// Which dashes and which shape of points: with the colour another for each of 32 series.
std::size_t shape(std::size_t series) {
  return (series + series / colours) % std::size(dashes);
}

/// A vertical or horizontal axis: from values to pixels.
struct Axis {
  double low, high, from, to;
  bool logarithmic = false;

  double place(double value) const {
    const auto scaled = [&](double v) { return logarithmic ? std::log(v) : v; };
    return from + (to - from) * (scaled(value) - scaled(low)) / (scaled(high) - scaled(low));
  }
};

std::string text_at(double x, double y, const char* anchor, const std::string& text, const char* style = "soft") {
  return "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\" text-anchor=\"" + anchor + "\" class=\"" + style + "\">" +
         escape_html(text) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const char* style) {
  return "<line x1=\"" + px(x1) + "\" y1=\"" + px(y1) + "\" x2=\"" + px(x2) + "\" y2=\"" + px(y2) + "\" class=\"" +
         style + "\"/>\n";
}

/// A point in the shape of its series.
std::string mark(std::size_t series, double x, double y) {
  const std::string fill = "\" fill=\"" + colour(series) + "\"/>\n";
  const auto polygon = [&](std::initializer_list<std::pair<double, double>> corners) {
    std::string points;
    for (const auto& [dx, dy] : corners) points += px(x + dx) + "," + px(y + dy) + " ";
    return "<polygon points=\"" + points + fill;
  };
  switch (shape(series)) {
    case 0:
      return "<circle cx=\"" + px(x) + "\" cy=\"" + px(y) + "\" r=\"3" + fill;
    case 1:
      return polygon({{-2.8, -2.8}, {2.8, -2.8}, {2.8, 2.8}, {-2.8, 2.8}});
    case 2:
      return polygon({{0, -3.8}, {3.6, 2.6}, {-3.6, 2.6}});
    default:
      return polygon({{0, -4}, {4, 0}, {0, 4}, {-4, 0}});
  }
}

std::string stroke(std::size_t series) {
  const std::string dash = dashes[shape(series)];
  return "stroke=\"" + colour(series) + "\"" + (dash.empty() ? "" : " stroke-dasharray=\"" + dash + "\"");
}

std::string fill(std::size_t series) {
  return series == 0 ? colour(0) : "url(#hatch" + std::to_string(series % 4) + ")";
}

/// What bars are filled with beside plain colour.
std::string hatches() {
  std::string result = "<defs>";
  for (std::size_t i = 1; i < 4; ++i) {
    const std::string turn = std::to_string(i == 1 ? 45 : i == 2 ? -45 : 0);
    result += "<pattern id=\"hatch" + std::to_string(i) +
              "\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(" + turn +
              ")\"><rect width=\"6\" height=\"6\" fill=\"var(--page)\"/><rect width=\"3.2\" height=\"6\" fill=\"" +
              colour(i) + "\"/></pattern>";
  }
  return result + "</defs>\n";
}

struct Legend {
  std::string svg;
  double bottom;
};

/// The title and below it the series; `sample(series, x, y)` draws 24 wide what a series looks like.
template <class Sample>
Legend legend(const std::string& title, const std::vector<Series>& series, Sample sample) {
  constexpr double letter = 6.7, sample_width = 24, gap = 18;
  std::string svg = text_at(0, 15, "start", title, "title");
  double x = 0, y = 15 + legend_line + 2;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const double width = sample_width + 6 + letter * static_cast<double>(series[i].name.size());
    if (x > 0 && x + width > page_width) {
      x = 0;
      y += legend_line;
    }
    svg += sample(i, x, y - 4) + text_at(x + sample_width + 6, y, "start", series[i].name, "name");
    x += width + gap;
  }
  return {svg, y + 14};
}

std::string y_axis(const Axis& axis, const std::vector<double>& ticks, const std::string& label) {
  std::string svg;
  for (const double tick : ticks) {
    const double y = axis.place(tick);
    svg += line(left, y, left + plot_width, y, "grid") + text_at(left - 7, y + 4, "end", significant(tick, 4));
  }
  const double middle = (axis.from + axis.to) / 2;
  if (!label.empty())
    svg += "<text transform=\"translate(11 " + px(middle) + ") rotate(-90)\" text-anchor=\"middle\" class=\"soft\">" +
           escape_html(label) + "</text>\n";
  return svg;
}

std::string x_axis(const Axis& axis, double bottom, const std::vector<double>& ticks, const std::string& label) {
  std::string svg = line(left, bottom, left + plot_width, bottom, "axis");
  for (const double tick : ticks) {
    const double x = axis.place(tick);
    svg += line(x, bottom, x, bottom + 4, "axis") + text_at(x, bottom + 18, "middle", significant(tick, 6));
  }
  return svg + text_at(left + plot_width / 2, bottom + 35, "middle", label);
}

/// The box with what chart_script() needs.
std::string box(const std::string& title, const std::string& svg, double height, const Axis& x_axis,
                const std::vector<std::string>& names, const std::vector<double>& x,
                const std::vector<Series>& series) {
  nlohmann::ordered_json data{{"x", nlohmann::json::array()}, {"names", names}, {"series", nlohmann::json::array()}};
  for (const double value : x) data["x"].push_back(std::round(10 * x_axis.place(value)) / 10);
  std::string spoken;
  for (const Series& one : series) {
    nlohmann::ordered_json values = nlohmann::json::array();
    std::string last;
    for (const double value : one.values) {
      values.push_back(std::isfinite(value) ? significant(value, 4) : "-");
      if (std::isfinite(value)) last = values.back().get<std::string>();
    }
    data["series"].push_back({{"name", one.name}, {"values", values}});
    if (!last.empty()) spoken += "; " + one.name + ": last " + last;
  }
  const std::string json = data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return "<div class=\"chart\" tabindex=\"0\" data-chart=\"" + escape_html(json) + "\">\n<svg viewBox=\"0 0 " +
         px(page_width) + " " + px(height) + "\" role=\"img\" aria-label=\"" + escape_html(title + spoken) + "\">\n" +
         svg + line(0, height - below - plot_height, 0, height - below, "cursor") +
         "</svg>\n<div class=\"tip\"></div></div>\n";
}

/// The least and the largest of the values; {0, 1} where there are none.
std::pair<double, double> range(const std::vector<Series>& series) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Series& one : series)
    for (const double value : one.values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  return low <= high ? std::pair{low, high} : std::pair{0.0, 1.0};
}

/// 1, 2 and 5 times the powers of ten between; powers alone where there would be many.
std::vector<double> logarithmic_ticks(double low, double high) {
  const bool dense = std::log10(high / low) < 2.2;
  std::vector<double> ticks;
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10)
    for (const double factor : {1.0, 2.0, 5.0})
      if ((dense || factor == 1.0) && factor * power >= low && factor * power <= high) ticks.push_back(factor * power);
  return ticks;
}

std::string curve(std::size_t i, const LineChart& chart, const Axis& across, const Axis& up) {
  std::string svg, points, marks;
  const std::vector<double>& values = chart.series[i].values;
  const auto finish = [&] {
    if (!points.empty()) svg += "<polyline class=\"curve\" " + stroke(i) + " points=\"" + points + "\"/>\n";
    points.clear();
  };
  const std::size_t count = std::min(values.size(), chart.x.size());
  for (std::size_t k = 0; k < count; ++k) {
    if (!std::isfinite(values[k])) {
      finish();
      continue;
    }
    const double x = across.place(chart.x[k]), y = up.place(std::clamp(values[k], up.low, up.high));
    points += (points.empty() ? "" : " ") + px(x) + "," + px(y);
    if (chart.x.size() <= most_marked) marks += mark(i, x, y);
  }
  finish();
  return svg + marks;
}

}  // namespace

std::string significant(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

std::vector<double> round_ticks(double low, double high, int count) {
  const double rough = (high - low) / count, power = std::pow(10, std::floor(std::log10(rough)));
  const double step = power * (rough <= power ? 1 : rough <= 2 * power ? 2 : rough <= 5 * power ? 5 : 10);
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9), last = std::floor(high / step + 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i == 0 ? 0 : i * step);
  return ticks;
}

std::string line_chart(const LineChart& chart) {
  const Legend head = legend(chart.title, chart.series, [](std::size_t i, double x, double y) {
    return "<line x1=\"" + px(x) + "\" y1=\"" + px(y) + "\" x2=\"" + px(x + 24) + "\" y2=\"" + px(y) +
           "\" class=\"curve\" " + stroke(i) + "/>\n" + mark(i, x + 12, y);
  });
  const double bottom = head.bottom + plot_height;
  auto [low, high] = range(chart.series);
  const bool logarithmic = chart.logarithmic && low > 0 && high >= 10 * low;
  if (logarithmic) {
    low *= 0.9;
    high *= 1.1;
  } else {
    // Room above and below, up to the next round value.
    const double spare = high > low ? high - low : std::max(std::abs(high), 1e-3);
    const std::vector<double> ticks = round_ticks(low - 0.05 * spare, high + 0.05 * spare, 5);
    const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : spare;
    low = step * std::floor(low / step + 1e-9);
    high = step * std::ceil(high / step - 1e-9);
    if (low == high) high = low + step;
  }
  const Axis up{chart.low.value_or(low), chart.high.value_or(high), bottom, head.bottom, logarithmic};
  const double first = chart.x.empty() ? 0 : chart.x.front(), last = chart.x.empty() ? 1 : chart.x.back();
  // A single epoch stands in the middle.
  const double inset = 8, margin = last > first ? 0 : 1;
  const Axis across{first - margin, last + margin, left + inset, left + plot_width - inset};
  std::vector<double> epochs = round_ticks(first, last > first ? last : first + 1, 8);
  epochs.erase(std::remove_if(epochs.begin(), epochs.end(),
                              [&](double tick) { return tick != std::round(tick) || tick < first || tick > last; }),
               epochs.end());
  std::string svg = head.svg;
  svg += y_axis(up, logarithmic ? logarithmic_ticks(up.low, up.high) : round_ticks(up.low, up.high, 5),
                chart.y_label + (logarithmic ? ", logarithmic" : ""));
  svg += x_axis(across, bottom, epochs, chart.x_label);
  if (chart.limit && *chart.limit >= up.low && *chart.limit <= up.high)
    svg += line(left, up.place(*chart.limit), left + plot_width, up.place(*chart.limit), "limit");
  for (std::size_t i = 0; i < chart.series.size(); ++i) svg += curve(i, chart, across, up);
  std::vector<std::string> names;
  for (const double x : chart.x) names.push_back(chart.x_label + " " + significant(x, 10));
  return box(chart.title, svg, bottom + below, across, names, chart.x, chart.series);
}

std::string histogram_chart(const Histogram& chart) {
  const Legend head = legend(chart.title, chart.stacked, [](std::size_t i, double x, double y) {
    return "<rect x=\"" + px(x + 4) + "\" y=\"" + px(y - 6) + "\" width=\"16\" height=\"12\" fill=\"" + fill(i) +
           "\" stroke=\"" + colour(i) + "\"/>\n";
  });
  const double bottom = head.bottom + plot_height;
  const std::size_t bins = chart.stacked.empty() ? 0 : chart.stacked.front().values.size();
  const double bin_width = (chart.high - chart.low) / static_cast<double>(std::max<std::size_t>(bins, 1));
  double most = 1;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    double sum = 0;
    for (const Series& one : chart.stacked) sum += one.values[bin];
    most = std::max(most, sum);
  }
  const Axis across{chart.low, chart.high, left, left + plot_width}, up{0, most, bottom, head.bottom};
  std::vector<double> ticks = round_ticks(0, most, 5);
  ticks.erase(std::remove_if(ticks.begin(), ticks.end(), [](double tick) { return tick != std::round(tick); }),
              ticks.end());
  std::string svg = hatches() + head.svg + y_axis(up, ticks, chart.y_label);
  std::vector<std::string> names;
  std::vector<double> centres;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    const double from = chart.low + bin_width * static_cast<double>(bin);
    names.push_back(significant(from, 4) + " to " + significant(from + bin_width, 4));
    centres.push_back(from + bin_width / 2);
    double sum = 0;
    for (std::size_t i = 0; i < chart.stacked.size(); ++i) {
      const double count = chart.stacked[i].values[bin], top = up.place(sum + count);
      if (count > 0)
        svg += "<rect class=\"bar\" x=\"" + px(across.place(from)) + "\" y=\"" + px(top) + "\" width=\"" +
               px(across.place(from + bin_width) - across.place(from)) + "\" height=\"" + px(up.place(sum) - top) +
               "\" fill=\"" + fill(i) + "\"/>\n";
      sum += count;
    }
  }
  svg += x_axis(across, bottom, round_ticks(chart.low, chart.high, 5), chart.x_label);
  return box(chart.title, svg, bottom + below, across, names, centres, chart.stacked);
}

std::string chart_script() {
  return R"js(
for(const box of document.querySelectorAll(".chart")){
const data=JSON.parse(box.dataset.chart),svg=box.querySelector("svg"),tip=box.querySelector(".tip"),
cursor=box.querySelector(".cursor");let at=-1;
const show=i=>{at=Math.max(0,Math.min(data.x.length-1,i));const x=data.x[at];tip.replaceChildren();
const head=document.createElement("b");head.textContent=data.names[at];tip.append(head);
data.series.forEach((s,k)=>{if(s.values[at]===undefined)return;const row=document.createElement("div"),
dot=document.createElement("span");dot.textContent="\u25A0 ";dot.style.color="var(--s"+k%8+")";
row.append(dot,s.name+" "+s.values[at]);tip.append(row)});
cursor.setAttribute("x1",x);cursor.setAttribute("x2",x);cursor.style.visibility=tip.style.visibility="visible";
const scale=svg.clientWidth/svg.viewBox.baseVal.width,left=x*scale;
tip.style.left=(left+12+tip.offsetWidth>box.clientWidth?Math.max(0,left-12-tip.offsetWidth):left+12)+"px";
tip.style.top="48px"};
const hide=()=>{at=-1;cursor.style.visibility=tip.style.visibility="hidden"};
const point=e=>{if(!data.x.length)return;const r=svg.getBoundingClientRect(),
x=(e.clientX-r.left)*svg.viewBox.baseVal.width/r.width;let best=0;
data.x.forEach((v,i)=>{if(Math.abs(v-x)<Math.abs(data.x[best]-x))best=i});show(best)};
svg.addEventListener("pointermove",point);svg.addEventListener("pointerdown",point);
svg.addEventListener("pointerleave",e=>{if(e.pointerType==="mouse")hide()});box.addEventListener("blur",hide);
box.addEventListener("keydown",e=>{const step={ArrowLeft:-1,ArrowRight:1}[e.key];if(step&&data.x.length){
show(at<0?data.x.length-1:at+step);e.preventDefault()}if(e.key==="Escape")hide()})}
)js";
}

}  // namespace attnunet::report
