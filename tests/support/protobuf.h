// Reads protobuf's wire format, field by field: the tests' own way into ONNX files, apart from the code that writes
// them.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace attnunet::protobuf {

struct Field {
  std::uint64_t number, wire_type;
  std::uint64_t value = 0;  ///< wire type 0
  std::string bytes;        ///< wire type 2
};

class Message {
 public:
  explicit Message(const std::string& bytes) {
    std::size_t at = 0;
    const auto varint = [&] {
      std::uint64_t value = 0;
      for (unsigned shift = 0;; shift += 7) {
        if (at >= bytes.size() || shift > 63) throw std::runtime_error("protobuf: a varint without end");
        const auto byte = static_cast<std::uint8_t>(bytes[at++]);
        value |= std::uint64_t{byte & 0x7Fu} << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < bytes.size()) {
      const std::uint64_t key = varint();
      Field field{key >> 3, key & 7, 0, {}};
      const std::uint64_t value = varint();
      if (field.wire_type == 0) {
        field.value = value;
      } else if (field.wire_type == 2) {
        if (value > bytes.size() - at) throw std::runtime_error("protobuf: a field beyond the end");
        field.bytes = bytes.substr(at, value);
        at += value;
      } else {
        throw std::runtime_error("protobuf: wire type " + std::to_string(field.wire_type));
      }
      fields_.push_back(field);
    }
  }

  const std::vector<Field>& fields() const { return fields_; }
  std::vector<std::string> all(std::uint64_t number) const {
    std::vector<std::string> result;
    for (const Field& field : fields_)
      if (field.number == number && field.wire_type == 2) result.push_back(field.bytes);
    return result;
  }
  std::vector<std::int64_t> numbers(std::uint64_t number) const {
    std::vector<std::int64_t> result;
    for (const Field& field : fields_)
      if (field.number == number && field.wire_type == 0) result.push_back(static_cast<std::int64_t>(field.value));
    return result;
  }
  /// The only field of that number.
  std::string text(std::uint64_t number) const {
    const auto found = all(number);
    if (found.size() != 1) throw std::runtime_error("protobuf: field " + std::to_string(number) + " is not there once");
    return found[0];
  }
  std::int64_t value(std::uint64_t number) const {
    const auto found = numbers(number);
    if (found.size() != 1)
      throw std::runtime_error("protobuf: number " + std::to_string(number) + " is not there once");
    return found[0];
  }
  Message message(std::uint64_t number) const { return Message(text(number)); }
  std::vector<Message> messages(std::uint64_t number) const {
    std::vector<Message> result;
    for (const std::string& bytes : all(number)) result.emplace_back(bytes);
    return result;
  }

 private:
  std::vector<Field> fields_;
};

}  // namespace attnunet::protobuf
