#include "common/report/duplicate_sheet.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "common/core/in_parallel.h"
#include "common/data/resize.h"
#include "common/data/sample.h"
#include "common/io/machine.h"
#include "common/report/html.h"
#include "common/report/picture.h"

namespace attnunet::report {
namespace {

constexpr int longest_side = 144;

std::string number(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// The image with the outline of its true mask, as PNG.
std::vector<std::uint8_t> thumbnail(const data::Case& one) {
  const data::Sample sample = data::load_full(one);
  const int longest = std::max(sample.image.width, sample.image.height);
  const auto scaled = [&](int side) { return std::max(1, side * longest_side / longest); };
  const int width = scaled(sample.image.width), height = scaled(sample.image.height);
  data::Rgb picture = to_rgb(data::resize_bilinear(sample.image, width, height));
  draw_outline(picture, data::resize_nearest(sample.mask, width, height), truth_colour);
  return data::encode_png(picture);
}

/// PNGs of all cases that are in a group.
std::map<std::size_t, std::vector<std::uint8_t>> thumbnails(const data::CheckResult& result) {
  std::vector<std::size_t> members;
  for (const auto& group : result.groups) members.insert(members.end(), group.begin(), group.end());
  std::vector<std::vector<std::uint8_t>> pictures(members.size());
  in_parallel(members.size(), all_cores(),
              [&](std::size_t i) { pictures[i] = thumbnail(result.dataset.cases[members[i]]); });
  std::map<std::size_t, std::vector<std::uint8_t>> by_case;
  for (std::size_t i = 0; i < members.size(); ++i) by_case[members[i]] = std::move(pictures[i]);
  return by_case;
}

/// HTML: what two cases say against each other.
std::string contradiction(const data::CheckResult& result, const data::Conflict& one) {
  const data::Case &a = result.dataset.cases[one.a], &b = result.dataset.cases[one.b];
  const std::string names =
      escape_html(a.name) + " and " + escape_html(b.name) + " (" + number(one.correlation, 4) + "): ";
  if (one.kind == "class")
    return names + "two classes, " + escape_html(a.class_name) + " and " + escape_html(b.class_name);
  return names + "masks overlap with IoU " + number(one.mask_iou, 3);
}

/// HTML: one group as a card.
std::string card(const data::CheckResult& result, const std::vector<std::size_t>& group, std::size_t group_number,
                 const std::map<std::size_t, std::vector<std::uint8_t>>& pictures) {
  const auto in_group = [&](std::size_t one) { return std::binary_search(group.begin(), group.end(), one); };
  std::string body, notes;
  for (const std::size_t member : group) {
    double closest = 0;
    for (const data::SimilarPair& pair : result.pairs)
      if (pair.a == member || pair.b == member) closest = std::max(closest, pair.correlation);
    const data::Case& one = result.dataset.cases[member];
    const double lesion = result.facts[member].lesion;
    body += html_figure(pictures.at(member), one.name + " with the outline of its mask",
                        "<b>" + escape_html(one.name) + "</b><br>" + escape_html(one.class_name) + ", " +
                            (lesion == 0 ? "no lesion" : number(100 * lesion, 1) + " %") + "<br>correlation " +
                            number(closest, 4));
  }
  for (const data::Conflict& conflict : result.conflicts)
    if (in_group(conflict.a)) notes += "<li>" + contradiction(result, conflict) + "</li>";
  const std::string heading =
      "<h3>Group " + std::to_string(group_number) + ": " + std::to_string(group.size()) + " images</h3>\n";
  return "<div class=\"card" + std::string(notes.empty() ? "" : " conflict") + "\">\n" + heading +
         (notes.empty() ? "" : "<ul>" + notes + "</ul>\n") + "<div class=\"row\">" + body + "</div></div>\n";
}

constexpr const char* sheet_style = R"css(<style>
.groups{display:flex;flex-wrap:wrap;gap:14px;align-items:flex-start}
.groups h3{margin:0 0 .4em}.groups ul{margin:0 0 .6em;padding:6px 8px 6px 22px;background:var(--mark);border-radius:5px;
font-size:13px}
.row{display:flex;flex-wrap:wrap;gap:10px}.row figure{width:144px}
.conflict{border:2px solid var(--s1)}
</style>
)css";

}  // namespace

std::string duplicate_sheet(const data::CheckResult& result) {
  const auto pictures = thumbnails(result);
  std::string classes, masks, others;
  std::size_t group_number = 0, conflicting_groups = 0;
  for (const auto& group : result.groups) {
    const auto has = [&](const std::string& kind) {
      return std::any_of(result.conflicts.begin(), result.conflicts.end(), [&](const data::Conflict& one) {
        return one.kind == kind && std::binary_search(group.begin(), group.end(), one.a);
      });
    };
    const bool class_conflict = has("class"), mask_conflict = has("mask");
    conflicting_groups += class_conflict || mask_conflict ? 1 : 0;
    (class_conflict ? classes : mask_conflict ? masks : others) += card(result, group, ++group_number, pictures);
  }
  const auto fact = [](std::size_t value, const std::string& what) {
    return "<div><b>" + std::to_string(value) + "</b><span>" + what + "</span></div>";
  };
  std::string body = sheet_style;
  body += "<h1>Near-duplicates</h1>\n<p class=\"note\">" + escape_html(result.dataset.root.string()) + "</p>\n";
  body += "<div class=\"facts\">" + fact(result.dataset.cases.size(), "cases") +
          fact(result.groups.size(), "groups of near-duplicates") + fact(pictures.size(), "images in them") +
          fact(conflicting_groups, "groups that contradict themselves") + "</div>\n";
  body +=
      "<p>Two images are near-duplicates where their thumbnails correlate above " +
      number(data::near_duplicate_threshold, 2) +
      "; a group is all that such pairs connect. Below each image its class, the share of it that is lesion and the "
      "correlation with its closest twin; the line is the outline of its true mask. A group contradicts itself where "
      "a pair has two classes, or masks that overlap with an IoU below " +
      number(data::mask_agreement, 1) + ".</p>\n";
  const auto section = [](const std::string& heading, const std::string& cards) {
    return cards.empty() ? "" : html_section(heading, "<div class=\"groups\">\n" + cards + "</div>\n");
  };
  body += section("Groups of two classes", classes) + section("Groups whose masks contradict each other", masks) +
          section("Other groups", others);
  return html_page("Near-duplicates in " + result.dataset.root.string(), body);
}

}  // namespace attnunet::report
