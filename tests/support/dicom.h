// DICOM files written byte by byte, from the standard (PS3.5, PS3.10), without DCMTK.
#pragma once

#include <lodepng.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/data/dicom.h"
#include "support/files.h"
#include "support/process.h"

namespace attnunet {

#define ATTNUNET_SKIP_WITHOUT_DICOM()                   \
  if (data::dicom_support().rfind("yes", 0) != 0) {     \
    GTEST_SKIP() << "DICOM: " << data::dicom_support(); \
  }

/// One of DCMTK's tools (Debian: package dcmtk); exit code 127 if it is not installed.
inline Finished dicom_tool(std::vector<std::string> command) {
  command.insert(command.begin(), "/usr/bin/env");
  return run_process(command);
}

/// Elements by tag, (group << 16) + element; a value is as its VR has it, in little endian.
struct DicomItem {
  struct Element {
    std::string vr, value;
  };
  std::map<std::uint32_t, Element> elements;

  static std::string little(std::uint64_t value, int bytes) {
    std::string text;
    for (; bytes > 0; --bytes, value >>= 8) text += static_cast<char>(value & 255);
    return text;
  }

  DicomItem& text(std::uint32_t tag, const char* vr, std::string value) {
    if (value.size() % 2 != 0) value += std::string(vr) == "UI" ? '\0' : ' ';
    elements[tag] = {vr, value};
    return *this;
  }
  DicomItem& us(std::uint32_t tag, int value) {
    elements[tag] = {"US", little(static_cast<std::uint64_t>(value), 2)};
    return *this;
  }
  DicomItem& ul(std::uint32_t tag, std::uint32_t value) {
    elements[tag] = {"UL", little(value, 4)};
    return *this;
  }
  DicomItem& fd(std::uint32_t tag, double value) {
    std::uint64_t bits = 0;
    static_assert(sizeof bits == sizeof value);
    std::memcpy(&bits, &value, sizeof bits);
    elements[tag] = {"FD", little(bits, 8)};
    return *this;
  }
  DicomItem& bytes(std::uint32_t tag, const char* vr, std::string value) {
    if (value.size() % 2 != 0) value += '\0';
    elements[tag] = {vr, value};
    return *this;
  }
  DicomItem& sequence(std::uint32_t tag, const std::vector<DicomItem>& items) {
    std::string value;
    for (const DicomItem& item : items) {
      const std::string contents = item.encoded(true);
      value += little(0xe000fffe, 4) + little(contents.size(), 4) + contents;
    }
    elements[tag] = {"SQ", value};
    return *this;
  }
  /// Of pixels: fragments, behind an empty table of offsets.
  DicomItem& fragments(const std::vector<std::string>& parts) {
    std::string value = little(0xe000fffe, 4) + little(0, 4);
    for (std::string part : parts) {
      if (part.size() % 2 != 0) part += '\0';
      value += little(0xe000fffe, 4) + little(part.size(), 4) + part;
    }
    elements[0x7fe00010] = {"encapsulated", value + little(0xe0ddfffe, 4) + little(0, 4)};
    return *this;
  }

  std::string encoded(bool explicit_vr, bool big_endian = false) const {
    const auto number = [&](std::uint64_t value, int bytes) {
      const std::string text = little(value, bytes);
      return big_endian ? std::string(text.rbegin(), text.rend()) : text;
    };
    std::string all;
    for (const auto& [tag, element] : elements) {
      std::string vr = element.vr, value = element.value;
      std::uint64_t length = value.size();
      if (vr == "encapsulated") {
        vr = "OB";
        length = 0xffffffff;
      }
      if (big_endian && (vr == "US" || vr == "OW"))
        for (std::size_t i = 0; i + 1 < value.size(); i += 2) std::swap(value[i], value[i + 1]);
      all += number(tag >> 16, 2) + number(tag & 0xffff, 2);
      const bool wide = vr == "OB" || vr == "OW" || vr == "SQ" || vr == "UN";
      if (!explicit_vr)
        all += number(length, 4);
      else if (wide)
        all += vr + std::string(2, '\0') + number(length, 4);
      else
        all += vr + number(length, 2);
      all += value;
    }
    return all;
  }
};

constexpr char implicit_little[] = "1.2.840.10008.1.2", explicit_little[] = "1.2.840.10008.1.2.1",
               deflated[] = "1.2.840.10008.1.2.1.99", explicit_big[] = "1.2.840.10008.1.2.2",
               jpeg_baseline[] = "1.2.840.10008.1.2.4.50", jpeg_2000[] = "1.2.840.10008.1.2.4.90",
               mpeg_4[] = "1.2.840.10008.1.2.4.102", rle[] = "1.2.840.10008.1.2.5";

/// A file with a dataset in that transfer syntax.
inline std::string dicom_file(const DicomItem& dataset, const std::string& syntax = explicit_little) {
  DicomItem meta;
  meta.bytes(0x00020001, "OB", std::string("\0\1", 2)).text(0x00020010, "UI", syntax);
  const auto found = dataset.elements.find(0x00080016);
  meta.text(0x00020002, "UI", found == dataset.elements.end() ? "1.2.3" : found->second.value.c_str());
  meta.text(0x00020003, "UI", "1.2.3.4.5");
  DicomItem length;
  length.ul(0x00020000, static_cast<std::uint32_t>(meta.encoded(true).size()));
  std::string body = dataset.encoded(syntax != implicit_little, syntax == explicit_big);
  if (syntax == deflated) {
    unsigned char* bytes = nullptr;
    std::size_t count = 0;
    const LodePNGCompressSettings& settings = lodepng_default_compress_settings;
    lodepng_deflate(&bytes, &count, reinterpret_cast<const unsigned char*>(body.data()), body.size(), &settings);
    body.assign(reinterpret_cast<char*>(bytes), count);
    if (count % 2 != 0) body += '\0';
    std::free(bytes);
  }
  return std::string(128, '\0') + "DICM" + length.encoded(true) + meta.encoded(true) + body;
}

/// What identifies the patient of dicom_image.
constexpr char patient_name[] = "Doe^Jane", patient_id[] = "PID-4711", study_uid[] = "1.2.3.99.1",
               source_uid[] = "1.2.3.4.5";

/// An ultrasound image of grey bytes; of several frames if there are more of them.
inline DicomItem dicom_image(int width, int height, const std::string& pixels) {
  DicomItem image;
  image.text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.6.1")
      .text(0x00080018, "UI", source_uid)
      .text(0x00080020, "DA", "20260131")
      .text(0x00080050, "SH", "ACC-4712")
      .text(0x00080060, "CS", "US")
      .text(0x00100010, "PN", patient_name)
      .text(0x00100020, "LO", patient_id)
      .text(0x0020000d, "UI", study_uid)
      .us(0x00280002, 1)
      .text(0x00280004, "CS", "MONOCHROME2")
      .us(0x00280010, height)
      .us(0x00280011, width)
      .us(0x00280100, 8)
      .us(0x00280101, 8)
      .us(0x00280102, 7)
      .us(0x00280103, 0)
      .bytes(0x7fe00010, "OB", pixels);
  const std::size_t frame = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  if (pixels.size() > frame) image.text(0x00280008, "IS", std::to_string(pixels.size() / frame));
  return image;
}

/// A 2D region from corner to corner, both inside, with pixels of that many cm.
inline DicomItem dicom_region(std::uint32_t left, std::uint32_t top, std::uint32_t right, std::uint32_t bottom,
                              double cm_per_column, double cm_per_row) {
  DicomItem region;
  region.us(0x00186012, 1)
      .us(0x00186014, 1)
      .ul(0x00186018, left)
      .ul(0x0018601a, top)
      .ul(0x0018601c, right)
      .ul(0x0018601e, bottom)
      .us(0x00186024, 3)
      .us(0x00186026, 3)
      .fd(0x0018602c, cm_per_column)
      .fd(0x0018602e, cm_per_row);
  return region;
}
constexpr std::uint32_t regions_tag = 0x00186011;

}  // namespace attnunet
