// Web pages that are complete in one file: styles, scripts and pictures are in it, and the page forbids itself the
// network. Readable on a phone, on paper, in light and in dark. Reports, comparisons and contact sheets are such pages.
//
// A page is put together from strings: what comes from outside (names, paths, options) goes through escape_html, what
// returns HTML says so. Classes that the style knows: "cards" (a grid of equal boxes), "card" ("single card": one by
// itself), "chart", "strip" (wide pictures, scrolled sideways where they do not fit), "note" (small grey text), "facts"
// (big numbers in a row). Proof: tests/html_test.cpp, tests/report_page_test.cpp (in a browser)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/data/png.h"

namespace attnunet::report {

/// Text as HTML, for content and for attributes in quotes. What is not valid UTF-8 and control characters become
/// U+FFFD, so that any bytes of a file name give a valid page.
std::string escape_html(const std::string& text);

/// "data:image/png;base64,..."
std::string data_uri(const std::vector<std::uint8_t>& png);

/// HTML: <img> of a picture with its alternative text (escaped here); shown `width` CSS pixels wide where that is not
/// 0, never wider than the page.
std::string html_image(const std::vector<std::uint8_t>& png, const std::string& alternative, int width = 0);

/// HTML: <figure> of a picture with the caption below, which is HTML.
std::string html_figure(const std::vector<std::uint8_t>& png, const std::string& alternative,
                        const std::string& caption);

/// HTML: a table in a box that scrolls sideways where it is too wide. Cells are HTML; `left` columns are aligned to the
/// left, counted from the first, the others, numbers, to the right. `marked`: its rows stand out.
std::string html_table(const std::vector<std::string>& headings, const std::vector<std::vector<std::string>>& rows,
                       std::size_t left = 1, bool marked = false);

/// HTML: a section with a heading (escaped here).
std::string html_section(const std::string& heading, const std::string& body);

/// HTML: a section that is folded up until it is asked for (on paper it is open).
std::string html_folded(const std::string& heading, const std::string& body);

/// The whole page. `title` is text, `body` HTML, `script` JavaScript (without "</").
std::string html_page(const std::string& title, const std::string& body, const std::string& script = "");

}  // namespace attnunet::report
