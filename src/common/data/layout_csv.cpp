// A table of cases: a CSV file (RFC 4180; comma, semicolon or tab) with a header.
//   image,mask,class,group,split,mm_per_pixel
//   scans/17.jpg,masks/17.png,benign,patient 4,train,0.08
// The last four columns may be missing, others are ignored. Paths are relative to the file's folder. A line `sep=;`
// before the header, which Excel writes and reads, names the separator.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <system_error>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/layouts.h"
#include "common/io/text_file.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

struct TableRow {
  int line = 0;  ///< on which it begins, from 1
  std::vector<std::string> cells;
};

std::string line_of(const fs::path& file, int line) {
  return quoted(file) + " line " + std::to_string(line);
}

/// The rows that hold anything. At most `most`.
std::vector<TableRow> table_rows(const fs::path& file, const std::string& text, char separator, std::size_t most) {
  std::vector<TableRow> rows;
  std::size_t at = 0;
  for (int line = 1; at < text.size() && rows.size() < most;) {
    TableRow row{line, {}};
    for (bool more = true; more;) {
      std::string cell;
      const std::size_t start = std::min(text.find_first_not_of(separator == '\t' ? " " : " \t", at), text.size());
      if (start < text.size() && text[start] == '"') {
        const int opened = line;
        for (at = start + 1;; ++at) {
          if (at >= text.size()) throw Error(line_of(file, opened) + ": a quotation mark is not closed");
          if (text[at] == '"' && (at + 1 >= text.size() || text[at + 1] != '"')) break;
          if (text[at] == '"') ++at;  // two stand for one
          if (text[at] == '\n') ++line;
          cell += text[at];
        }
        const std::size_t end = std::min(text.find_first_of(std::string("\n") + separator, ++at), text.size());
        const std::string rest = trimmed(text.substr(at, end - at));
        if (!rest.empty())
          throw Error(line_of(file, line) + ": " + quoted_excerpt(rest) + " follows a closing quotation mark");
        at = end;
      } else {
        const std::size_t end = std::min(text.find_first_of(std::string("\n") + separator, at), text.size());
        cell = trimmed(text.substr(at, end - at));
        at = end;
      }
      row.cells.push_back(cell);
      more = at < text.size() && text[at] == separator;
      if (at < text.size()) ++at;
    }
    ++line;
    if (std::any_of(row.cells.begin(), row.cells.end(), [](const std::string& cell) { return !cell.empty(); }))
      rows.push_back(std::move(row));
  }
  return rows;
}

const std::vector<std::string> known_columns{"image", "mask", "class", "group", "split", "mm_per_pixel"};

bool is_known_column(const std::string& cell) {
  return std::find(known_columns.begin(), known_columns.end(), lower_case(cell)) != known_columns.end();
}

/// Where each known column stands in the header; those that it lacks are left out.
std::map<std::string, std::size_t> columns_of(const fs::path& file, const TableRow& header) {
  std::map<std::string, std::size_t> columns;
  for (std::size_t i = 0; i < header.cells.size(); ++i) {
    if (!is_known_column(header.cells[i])) continue;
    const std::string name = lower_case(header.cells[i]);
    if (!columns.emplace(name, i).second)
      throw Error(line_of(file, header.line) + ": the header has two columns " + quoted(name) + "; rename one");
  }
  return columns;
}

/// A file's path without what leads up or to the root: for names.
std::string plain_path(const fs::path& path) {
  std::string result;
  for (const fs::path& part : path.lexically_normal().relative_path())
    if (part != "..") result = joined(result, part.string());
  return result;
}

class CsvTable {
 public:
  explicit CsvTable(const fs::path& file) : file_(file), folder_(file.parent_path()) {}

  Found scan() {
    std::string text = text_of_file(file_, "the table", "name a CSV file with the columns image and mask, or a folder");
    const std::string separators = stated_separator(text);
    const TableRow header = read_header(text, separators.empty() ? ",;\t" : separators);
    columns_ = columns_of(file_, header);
    for (const char* needed : {"image", "mask"})
      if (columns_.count(needed) == 0)
        throw Error(line_of(file_, header.line) + ": there is no column '" + needed + "' in the header " +
                    quoted_excerpt(line_in(text, header.line)) + stated_text(separators) +
                    "; the columns image and mask are needed, class, group, split and mm_per_pixel are read too");
    const std::vector<TableRow> rows = table_rows(file_, text, separator_, text.size());
    width_ = header.cells.size();
    Found found;
    for (std::size_t i = 1; i < rows.size(); ++i) {
      const std::string class_name = cell(rows[i], "class");
      try {
        found.cases.push_back(case_of(rows[i]));
      } catch (const Error& failure) {
        found.problems.push_back({class_name, line_of(file_, rows[i].line) + ": " + failure.what()});
      }
    }
    return found;
  }

 private:
  /// The separator that a first line `sep=;` names; that line is emptied. "" if there is none.
  std::string stated_separator(std::string& text) const {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string line = trimmed(text.substr(0, end));
    if (line.size() > 1 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
    if (lower_case(line.substr(0, 4)) != "sep=") return "";
    // A tab at the end of the line is the separator, not a space.
    const std::string named = line.size() == 4 && end > 0 && text[end - 1] == '\t' ? "\t" : line.substr(4);
    if (named != "," && named != ";" && named != "\t")
      throw Error(line_of(file_, 1) + ": " + quoted_excerpt(line) +
                  " names a separator that is not read; use a comma, a semicolon or a tab");
    text.erase(0, end);
    return named;
  }

  /// For errors: what the first line says of the separator.
  static std::string stated_text(const std::string& separator) {
    if (separator.empty()) return "";
    return ", which is split at every " + (separator == "\t" ? "tab" : "'" + separator + "'") +
           " because line 1 says so";
  }

  /// The header, split by that of the separators which finds the most known columns in it.
  TableRow read_header(const std::string& text, const std::string& separators) {
    std::optional<TableRow> best;
    std::optional<Error> failure;
    std::ptrdiff_t most = -1;
    for (const char separator : separators) {
      try {
        const std::vector<TableRow> header = table_rows(file_, text, separator, 1);
        if (header.empty())
          throw Error("the table " + quoted(file_) + " is empty; write a header and a row for each case");
        const auto known = std::count_if(header[0].cells.begin(), header[0].cells.end(), is_known_column);
        if (known <= most) continue;
        most = known;
        best = header[0];
        separator_ = separator;
      } catch (const Error& error) {  // quotation marks fit the right separator alone
        if (!failure) failure = error;
      }
    }
    if (!best) throw Error(*failure);
    return *best;
  }

  static std::string line_in(const std::string& text, int line) {
    std::size_t begin = 0;
    for (int i = 1; i < line; ++i) begin = text.find('\n', begin) + 1;
    return trimmed(text.substr(begin, text.find('\n', begin) - begin));
  }

  std::string cell(const TableRow& row, const std::string& column) const {
    const auto place = columns_.find(column);
    return place == columns_.end() || place->second >= row.cells.size() ? "" : row.cells[place->second];
  }

  /// The file that a cell names. Throws Error, without naming the line, if there is none.
  fs::path file_in(const TableRow& row, const std::string& column) const {
    std::string name = cell(row, column);
    if (name.empty())
      throw Error("the column " + column + " is empty; name a file there" +
                  (column == "mask" ? ", an all black one where there is no lesion" : ""));
    std::error_code failure;
    if (name.find('\\') != std::string::npos && !fs::exists(folder_ / name, failure))
      std::replace(name.begin(), name.end(), '\\', '/');
    const fs::path path = folder_ / name;
    const fs::file_status status = fs::status(path, failure);
    if (status.type() == fs::file_type::not_found)
      throw Error("there is no " + column + " " + quoted_excerpt(path.string()) +
                  "; correct the name, which is relative to the table's folder");
    if (failure)
      throw Error("cannot read the " + column + " " + quoted_excerpt(path.string()) + ": " + failure.message());
    if (!fs::is_regular_file(status))
      throw Error("the " + column + " " + quoted_excerpt(path.string()) + " is not a regular file");
    return path;
  }

  /// A word for people and for folders. Throws Error if it cannot be both.
  std::string word(const TableRow& row, const std::string& column) const {
    const std::string text = cell(row, column);
    if (text == "." || text == ".." || text.find_first_of("/\\") != std::string::npos || one_line(text) != text)
      throw Error("the " + column + " " + quoted_excerpt(text) + " holds a slash or a control character; rename it");
    return text;
  }

  double millimetres(const TableRow& row) const {
    std::string text = cell(row, "mm_per_pixel");
    if (text.empty()) return 0;
    if (separator_ != ',') std::replace(text.begin(), text.end(), ',', '.');
    double value = 0;
    const std::from_chars_result parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !(value > 0) || !std::isfinite(value))
      throw Error("mm_per_pixel is " + quoted_excerpt(text) + ", which is no number above 0");
    return value;
  }

  FoundCase case_of(const TableRow& row) {
    // Spreadsheets put separators behind rows for empty columns.
    if (std::any_of(row.cells.begin() + static_cast<std::ptrdiff_t>(std::min(width_, row.cells.size())),
                    row.cells.end(), [](const std::string& cell) { return !cell.empty(); }))
      throw Error("it has " + std::to_string(row.cells.size()) + " cells but the header " + std::to_string(width_) +
                  "; put cells that hold a separator in quotation marks");
    const fs::path image = file_in(row, "image"), mask = file_in(row, "mask");
    std::error_code ignored;
    if (fs::equivalent(image, mask, ignored))
      throw Error("the image and the mask are one file, " + quoted_excerpt(cell(row, "image")) +
                  "; name the image in the one column and its mask in the other");
    const fs::path from_folder = folder_.empty() ? image : image.lexically_relative(folder_);
    const std::string place = plain_path(from_folder.empty() ? image : from_folder);
    const auto [named, is_new] = named_.emplace(image.lexically_normal(), row.line);
    if (!is_new)
      throw Error("the image " + quoted_excerpt(cell(row, "image")) + " was already named in line " +
                  std::to_string(named->second) + "; remove one of the rows");

    Case one{image.stem().string(), word(row, "class"), image, {mask}};
    if (columns_.count("class") != 0 && one.class_name.empty()) throw Error("the column class is empty; fill it in");
    one.group = word(row, "group");
    one.mm_per_pixel = millimetres(row);
    if (columns_.count("split") != 0) {
      const std::string part = cell(row, "split");
      one.part = part_named(part);
      if (one.part == Part::none) throw Error("the split " + quoted_excerpt(part) + " is none of train, val, test");
    }
    if (!one.group.empty()) {
      const auto [first, is_first] = groups_.emplace(one.group, std::pair(row.line, one.part));
      if (!is_first && first->second.second != one.part)
        throw Error("the group " + quoted_excerpt(one.group) + " is in another part of the split in line " +
                    std::to_string(first->second.first) + "; put all of a group in one part");
    }
    return {one, fs::path(place).replace_extension().string(), place};
  }

  fs::path file_, folder_;
  char separator_ = ',';
  std::size_t width_ = 0;
  std::map<std::string, std::size_t> columns_;
  std::map<fs::path, int> named_;                       // images, with their lines
  std::map<std::string, std::pair<int, Part>> groups_;  // each with its first line
};

}  // namespace

Found scan_csv(const fs::path& file) {
  return CsvTable(file).scan();
}

}  // namespace attnunet::data
