#include "common/io/safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/io/atomic_file.h"

namespace attnunet {
namespace {

using nlohmann::json;

static_assert(sizeof(float) == 4 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays are copied as they stand");

constexpr std::uint64_t largest_header = 100'000'000;  // the limit of the reference implementation
constexpr std::size_t most_dimensions = 8;
constexpr const char* metadata_key = "__metadata__";

std::string json_string(const std::string& text) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    throw Error("the name " + quoted_excerpt(text) + " is not valid UTF-8 and cannot be stored; rename it");
  }
}

// Bytes of one element; 0 for a type that the format does not have.
std::uint64_t element_bytes(const std::string& dtype) {
  static const std::map<std::string, std::uint64_t> known{
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I64", 8}, {"I32", 4},
      {"I16", 2}, {"I8", 1},  {"U64", 8}, {"U32", 4},  {"U16", 2},     {"U8", 1},      {"BOOL", 1}};
  const auto found = known.find(dtype);
  return found == known.end() ? 0 : found->second;
}

float from_float16(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float size = 0;
  if (exponent == 31)
    size = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  else if (exponent == 0)
    size = std::ldexp(static_cast<float>(fraction), -24);
  else
    size = std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return (bits & 0x8000) != 0 ? -size : size;
}

// The upper half of a float32.
float from_bfloat16(std::uint16_t bits) {
  const std::uint32_t whole = std::uint32_t{bits} << 16;
  float value = 0;
  std::memcpy(&value, &whole, sizeof value);
  return value;
}

template <class Stored, class Convert>
void convert(const std::vector<char>& bytes, float* values, Convert one) {
  for (std::size_t i = 0; i < bytes.size() / sizeof(Stored); ++i) {
    Stored stored;
    std::memcpy(&stored, &bytes[i * sizeof stored], sizeof stored);
    values[i] = one(stored);
  }
}

// Bytes of an array, or nothing if they do not fit 63 bits.
std::optional<std::uint64_t> bytes_of(const std::string& dtype, const std::vector<Index>& shape) {
  std::uint64_t bytes = element_bytes(dtype);
  for (Index extent : shape)
    if (extent == 0) return 0;
  for (Index extent : shape) {
    if (static_cast<std::uint64_t>(extent) > (std::uint64_t{1} << 62) / bytes) return std::nullopt;
    bytes *= static_cast<std::uint64_t>(extent);
  }
  return bytes;
}

// Takes the header's JSON apart as the parser reports it. `problem` says why it stopped.
class HeaderEvents : public nlohmann::json_sax<json> {
 public:
  HeaderEvents(std::map<std::string, std::string>& metadata, std::map<std::string, StoredTensor>& tensors)
      : metadata_(metadata), tensors_(tensors) {}

  std::string problem;

  bool start_object(std::size_t) override {
    if (section_ == Section::outside) return go(Section::top);
    if (section_ == Section::top && in_metadata()) return go(Section::metadata);
    if (section_ == Section::top) {
      fields_ = {};
      return go(Section::tensor);
    }
    return unexpected("an object");
  }
  bool end_object() override {
    if (section_ == Section::metadata) return go(Section::top);
    if (section_ == Section::top) return go(Section::outside);
    if (!fields_.dtype || !fields_.shape || fields_.offsets != 2)
      return stop(quoted_excerpt(entry_) + " lacks dtype, shape or data_offsets");
    return go(Section::top);
  }
  bool key(std::string& name) override {
    key_ = name;
    if (section_ == Section::top) {
      entry_ = name;
      if (in_metadata() ? std::exchange(has_metadata_, true) : tensors_.count(name) != 0)
        return stop(quoted_excerpt(name) + " stands there twice");
      if (!in_metadata()) tensors_[name].name = name;
    } else if (section_ == Section::metadata && metadata_.count(name) != 0) {
      return stop("metadata " + quoted_excerpt(name) + " stands there twice");
    }
    return true;
  }
  bool string(std::string& text) override {
    if (section_ == Section::metadata) {
      metadata_[key_] = text;
      return true;
    }
    if (section_ != Section::tensor || key_ != "dtype") return unexpected("a string");
    if (std::exchange(fields_.dtype, true)) return stop(quoted_excerpt(entry_) + " has two dtypes");
    tensors_[entry_].dtype = text;
    return element_bytes(text) > 0 ||
           stop("tensor " + quoted_excerpt(entry_) + " has dtype " + quoted_excerpt(text) + ", which is not known");
  }
  bool start_array(std::size_t) override {
    if (section_ == Section::tensor && key_ == "shape" && !std::exchange(fields_.shape, true))
      return go(Section::shape);
    if (section_ == Section::tensor && key_ == "data_offsets" && fields_.offsets == 0) return go(Section::offsets);
    return unexpected("an array");
  }
  bool end_array() override {
    if (section_ == Section::offsets && fields_.offsets != 2)
      return stop(quoted_excerpt(entry_) + ": data_offsets are not two numbers");
    return go(Section::tensor);
  }
  bool number_unsigned(std::uint64_t value) override {
    StoredTensor& tensor = tensors_[entry_];
    if (section_ == Section::shape && tensor.shape.size() < most_dimensions && value <= (std::uint64_t{1} << 62)) {
      tensor.shape.push_back(static_cast<Index>(value));
      return true;
    }
    if (section_ == Section::offsets && fields_.offsets < 2) {
      (fields_.offsets++ == 0 ? tensor.begin : tensor.end) = value;
      return true;
    }
    return unexpected("the number " + std::to_string(value));
  }
  bool number_integer(std::int64_t) override { return unexpected("a negative number"); }
  bool number_float(double, const std::string&) override { return unexpected("a fraction"); }
  bool boolean(bool) override { return unexpected("true or false"); }
  bool null() override { return unexpected("null"); }
  bool binary(json::binary_t&) override { return unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return stop("its JSON is wrong at byte " + std::to_string(position));
  }

 private:
  enum class Section { outside, top, metadata, tensor, shape, offsets };
  struct Fields {
    bool dtype = false, shape = false;
    int offsets = 0;
  };

  bool in_metadata() const { return entry_ == metadata_key; }
  bool go(Section section) {
    section_ = section;
    return true;
  }
  bool stop(const std::string& why) {
    problem = why;
    return false;
  }
  bool unexpected(const std::string& what) {
    return stop("it has " + what +
                (entry_.empty() ? " at its start" : " where none may be, at " + quoted_excerpt(entry_)));
  }

  std::map<std::string, std::string>& metadata_;
  std::map<std::string, StoredTensor>& tensors_;
  Section section_ = Section::outside;
  Fields fields_;
  std::string entry_, key_;
  bool has_metadata_ = false;
};

// Why the tensors do not tile the data, or "".
std::string layout_problem(const std::map<std::string, StoredTensor>& tensors, std::uint64_t data_bytes) {
  std::vector<const StoredTensor*> in_order;
  for (const auto& [name, tensor] : tensors) {
    const std::optional<std::uint64_t> bytes = bytes_of(tensor.dtype, tensor.shape);
    if (tensor.begin > tensor.end || tensor.end > data_bytes)
      return "tensor " + quoted_excerpt(name) + " lies outside the file (truncated, or its offsets are wrong)";
    if (!bytes || *bytes != tensor.end - tensor.begin)
      return "tensor " + quoted_excerpt(name) + " has a shape that does not fit its bytes";
    in_order.push_back(&tensor);
  }
  std::sort(in_order.begin(), in_order.end(), [](const StoredTensor* a, const StoredTensor* b) {
    return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
  });
  std::uint64_t covered = 0;
  for (const StoredTensor* tensor : in_order) {
    if (tensor->begin != covered)
      return "tensor " + quoted_excerpt(tensor->name) +
             (tensor->begin < covered ? " overlaps another" : " leaves a gap");
    covered = tensor->end;
  }
  if (covered != data_bytes) return "its tensors do not cover the file";
  return "";
}

}  // namespace

Index StoredTensor::size() const {
  Index product = 1;
  for (Index extent : shape) product *= extent;
  return product;
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata,
                       const std::vector<StoredTensor>& tensors, const std::function<void(std::size_t, float*)>& fill) {
  std::string header = "{\"" + std::string(metadata_key) + "\":{";
  const char* comma = "";
  for (const auto& [key, value] : metadata) {
    header += comma + json_string(key) + ":" + json_string(value);
    comma = ",";
  }
  header += "}";
  Index offset = 0, largest = 0;
  for (const StoredTensor& tensor : tensors) {
    const Index end = offset + tensor.size() * Index{sizeof(float)};
    header += "," + json_string(tensor.name) + ":{\"dtype\":\"F32\",\"shape\":" + json(tensor.shape).dump() +
              ",\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
    largest = std::max(largest, tensor.size());
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');

  AtomicFile file(path);
  const std::uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  std::vector<float> values(static_cast<std::size_t>(largest));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    fill(i, values.data());
    file.write(values.data(), static_cast<std::size_t>(tensors[i].size()) * sizeof(float));
  }
  file.commit();
}

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path) : path_(path) {
  const auto fail = [&](const std::string& why) { return Error("cannot read " + path.string() + ": " + why); };
  std::error_code code;
  const std::filesystem::file_status status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status)) throw fail("there is no such file; check the path");
  if (!std::filesystem::is_regular_file(status)) throw fail("it is not a file; name a .safetensors file");
  file_.open(path, std::ios::binary);
  if (!file_) throw fail(std::strerror(errno));
  const std::uint64_t bytes = std::filesystem::file_size(path, code);
  if (code) throw fail(code.message());
  if (bytes == 0) throw fail("it is empty; use another checkpoint");
  const std::string use_another = "; it is damaged or not a safetensors file, use another checkpoint";
  std::uint64_t length = 0;
  if (bytes < sizeof length || !file_.read(reinterpret_cast<char*>(&length), sizeof length))
    throw fail("it ends within the header" + use_another);
  // The first four bytes of what torch.save writes: a zip file, or in old versions a pickle that opens with a number.
  const std::uint64_t zip = 0x04034B50, pickle = 0x0A8A0280, start = length & 0xFFFFFFFF;
  if (length > bytes && (start == zip || start == pickle))
    throw fail(
        "it looks like a file of torch.save, a pickle; write the weights with "
        "safetensors.torch.save_file(model.state_dict(), FILE) instead");
  if (length > bytes - sizeof length) throw fail("its header is said to be longer than the file" + use_another);
  if (length > largest_header) throw fail("its header is said to be over 100 MB long" + use_another);
  std::string header(static_cast<std::size_t>(length), '\0');
  if (!file_.read(header.data(), static_cast<std::streamsize>(length))) throw fail("it ends within the header");
  HeaderEvents events(metadata_, tensors_);
  if (!json::sax_parse(header, &events)) throw fail("the header is wrong: " + events.problem + use_another);
  data_start_ = sizeof length + length;
  const std::string problem = layout_problem(tensors_, bytes - data_start_);
  if (!problem.empty()) throw fail(problem + use_another);
}

void SafetensorsReader::read(const StoredTensor& tensor, float* values) {
  const auto fetch = [&](char* to) {
    file_.seekg(static_cast<std::streamoff>(data_start_ + tensor.begin));
    if (!file_.read(to, static_cast<std::streamsize>(tensor.end - tensor.begin)))
      throw Error("cannot read " + path_.string() + ": it ends within tensor " + quoted_excerpt(tensor.name) +
                  "; it is damaged, use another checkpoint");
  };
  if (tensor.dtype == "F32") return fetch(reinterpret_cast<char*>(values));
  const bool is_read = tensor.dtype == "F16" || tensor.dtype == "BF16" || tensor.dtype == "F64";
  if (!is_read)
    throw Error("cannot read " + path_.string() + ": tensor " + quoted_excerpt(tensor.name) + " has dtype " +
                tensor.dtype + "; store it as F32, F16, BF16 or F64");
  std::vector<char> bytes(static_cast<std::size_t>(tensor.end - tensor.begin));
  fetch(bytes.data());
  if (tensor.dtype == "F16") convert<std::uint16_t>(bytes, values, from_float16);
  if (tensor.dtype == "BF16") convert<std::uint16_t>(bytes, values, from_bfloat16);
  if (tensor.dtype == "F64") convert<double>(bytes, values, [](double value) { return static_cast<float>(value); });
}

}  // namespace attnunet
