#include "common/report/html.h"

#include "common/io/base64.h"

namespace attnunet::report {
namespace {

constexpr const char* replacement = "\xEF\xBF\xBD";  // U+FFFD

// Colours: Okabe and Ito's, which stay apart for the colour-blind; lighter ones on dark.
constexpr const char* style = R"css(
:root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--soft:#59636e;--line:#d4d9df;--box:#f5f7f9;--mark:#fff3c4;
--s0:#0072b2;--s1:#d55e00;--s2:#00795a;--s3:#a8437f;--s4:#8a6500;--s5:#2f7fb8;--s6:#555;--s7:#8c2d19}
@media screen and (prefers-color-scheme:dark){:root{--page:#14171b;--ink:#e6e9ed;--soft:#9aa5b1;--line:#353c45;
--box:#1d2127;--mark:#4a3f12;--s0:#56b4e9;--s1:#ff9248;--s2:#2fc79b;--s3:#e58ac0;--s4:#f0c04a;--s5:#8fc7ff;--s6:#bbb;
--s7:#ff8a75}}
@media print{:root{color-scheme:only light}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;background:var(--page)}
body{margin:0 auto;padding:20px 16px 48px;max-width:1180px;font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,"Liberation Sans",sans-serif;color:var(--ink);background:var(--page);overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:.2em 0 .1em}
h2{font-size:1.2rem;margin:1.8em 0 .5em;padding-bottom:.2em;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.1em 0 .4em}
p{margin:.5em 0;max-width:75ch}
code,pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
pre{background:var(--box);border:1px solid var(--line);border-radius:6px;padding:10px 12px;white-space:pre-wrap}
img{max-width:100%;height:auto;vertical-align:middle}
figure{margin:0}figcaption{font-size:13px;color:var(--soft);margin-top:4px}
.note{font-size:13px;color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:16px}
.small.cards{grid-template-columns:repeat(auto-fill,minmax(min(46%,170px),1fr));gap:12px}
.card{background:var(--box);border:1px solid var(--line);border-radius:8px;padding:10px 12px;min-width:0}
.single.card{max-width:570px;margin-top:16px}.small .card{padding:8px}.small img{width:100%;image-rendering:auto}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(135px,1fr));gap:10px 20px;margin:12px 0}
.facts b{display:block;font-size:1.45rem;line-height:1.2;font-variant-numeric:tabular-nums}
.facts span{display:block;font-size:13px;line-height:1.35;color:var(--soft)}
.scroll,.strip{overflow-x:auto}
.strip img{max-width:none;min-width:760px;width:100%;margin:0 0 2px}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:4px 14px 4px 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;vertical-align:bottom}th.l,td.l{text-align:left}
tr.differs td{background:var(--mark)}tr.differs td:first-child::before{content:"\2260\00a0"}
details{margin:1.8em 0}summary{cursor:pointer;font-size:1.2rem;font-weight:600;padding-bottom:.2em;
border-bottom:1px solid var(--line)}
.chart{position:relative;outline-offset:2px}
.chart svg{display:block;width:100%;height:auto;overflow:visible;touch-action:pan-y}
.chart text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,"Liberation Sans",sans-serif;fill:var(--ink)}
.chart .soft{fill:var(--soft)}.chart .title{font-weight:600;font-size:14px}
.chart .grid{stroke:var(--line);stroke-width:1;fill:none}.chart .axis{stroke:var(--soft);stroke-width:1;fill:none}
.chart .limit{stroke:var(--soft);stroke-width:1;stroke-dasharray:1 3;fill:none}
.chart .curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.chart .bar{stroke:var(--page);stroke-width:1}
.chart .cursor{stroke:var(--soft);stroke-width:1;visibility:hidden}
.tip{position:absolute;z-index:1;pointer-events:none;visibility:hidden;background:var(--page);color:var(--ink);
border:1px solid var(--line);border-radius:6px;padding:5px 8px;font-size:12px;line-height:1.45;white-space:nowrap;
box-shadow:0 2px 8px #0003;font-variant-numeric:tabular-nums}
@media (max-width:560px){body{padding:12px 12px 32px}h1{font-size:1.3rem}.card{padding:8px}
th.l,td.l{white-space:normal;overflow-wrap:normal}}
@media print{body{max-width:none;padding:0;font-size:10.5pt}h2,h3,summary{break-after:avoid}
.card,figure,tr,.chart{break-inside:avoid}.strip,.scroll{overflow:visible}.strip img{min-width:0;max-width:100%}
.cards{grid-template-columns:1fr 1fr}.small.cards{grid-template-columns:repeat(4,1fr)}table{font-size:9pt}
th,td{padding-right:9px}.screen{display:none}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";

// What is folded up is open on paper.
constexpr const char* print_script = R"js(
addEventListener("beforeprint",()=>{for(const d of document.querySelectorAll("details:not([open])")){d.open=true;
d.dataset.shut="1"}});
addEventListener("afterprint",()=>{for(const d of document.querySelectorAll("details[data-shut]")){d.open=false;
delete d.dataset.shut}});
)js";

/// Bytes of the valid UTF-8 sequence (RFC 3629) at `at`, 0 where there is none.
std::size_t sequence_length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(at);
  const std::size_t length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (first > 0xF4) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  const unsigned second = byte(at + 1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
      (first == 0xF4 && second > 0x8F))
    return 0;
  return length;
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text, at);
    const char c = text[at];
    const bool control = length == 1 && ((c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == '\x7f');
    if (length == 0 || control)
      result += replacement;
    else if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else if (c == '\'')
      result += "&#39;";
    else
      result.append(text, at, length);
    at += length == 0 ? 1 : length;
  }
  return result;
}

std::string data_uri(const std::vector<std::uint8_t>& png) {
  return "data:image/png;base64," + base64(png);
}

std::string html_image(const std::vector<std::uint8_t>& png, const std::string& alternative, int width) {
  return "<img src=\"" + data_uri(png) + "\" alt=\"" + escape_html(alternative) + "\"" +
         (width > 0 ? " width=\"" + std::to_string(width) + "\"" : "") + ">";
}

std::string html_figure(const std::vector<std::uint8_t>& png, const std::string& alternative,
                        const std::string& caption) {
  return "<figure>" + html_image(png, alternative) + "<figcaption>" + caption + "</figcaption></figure>\n";
}

std::string html_table(const std::vector<std::string>& headings, const std::vector<std::vector<std::string>>& rows,
                       std::size_t left, bool marked) {
  const auto cells = [&](const std::vector<std::string>& row, const std::string& tag, const std::string& begin) {
    std::string result = begin;
    for (std::size_t column = 0; column < row.size(); ++column)
      result += "<" + tag + (column < left ? " class=\"l\">" : ">") + row[column] + "</" + tag + ">";
    return result + "</tr>\n";
  };
  std::string table = "<div class=\"scroll\"><table>\n<thead>" + cells(headings, "th", "<tr>") + "</thead>\n<tbody>\n";
  for (const std::vector<std::string>& row : rows)
    table += cells(row, "td", marked ? "<tr class=\"differs\">" : "<tr>");
  return table + "</tbody></table></div>\n";
}

std::string html_section(const std::string& heading, const std::string& body) {
  return "<section>\n<h2>" + escape_html(heading) + "</h2>\n" + body + "</section>\n";
}

std::string html_folded(const std::string& heading, const std::string& body) {
  return "<details>\n<summary>" + escape_html(heading) + "</summary>\n" + body + "</details>\n";
}

std::string html_page(const std::string& title, const std::string& body, const std::string& script) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
         "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
         "<link rel=\"icon\" href=\"data:,\">\n<title>" +
         escape_html(title) + "</title>\n<style>" + style + "</style>\n</head>\n<body>\n" + body + "<script>" +
         print_script + script + "</script>\n</body>\n</html>\n";
}

}  // namespace attnunet::report
