#include "common/data/dicom_encoded.h"

#ifdef ATTNUNET_HAVE_DCMTK
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpxitem.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "common/data/image_bytes.h"

namespace attnunet::data {
namespace fs = std::filesystem;

namespace {

/// A segment of PS3.5, annex G: one byte of every pixel, in runs. Shorter than `count` if the segment ends early.
std::vector<std::uint8_t> unpacked(const std::uint8_t* from, const std::uint8_t* end, std::size_t count) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(count);
  while (bytes.size() < count && from < end) {
    const int code = static_cast<std::int8_t>(*from++);
    if (code == -128) continue;
    const std::size_t run = std::min<std::size_t>(count - bytes.size(), static_cast<std::size_t>(std::abs(code)) + 1);
    if (static_cast<std::size_t>(end - from) < (code < 0 ? 1 : run)) break;
    if (code < 0) {
      bytes.insert(bytes.end(), run, *from++);
    } else {
      bytes.insert(bytes.end(), from, from + run);
      from += run;
    }
  }
  return bytes;
}

struct Fragment {
  const std::uint8_t* bytes;
  std::size_t length;
};

Fragment fragment_of(const fs::path& path, DcmPixelSequence& sequence, unsigned long index) {
  DcmPixelItem* item = nullptr;
  Uint8* bytes = nullptr;
  if (sequence.getItem(item, index).bad() || item->getUint8Array(bytes).bad() || bytes == nullptr)
    throw damaged(path, "its pixels cannot be decoded");
  return {bytes, static_cast<std::size_t>(item->getLength())};
}

/// Whether the marker TEM comes before that of the frame. No encoder of images writes it.
bool has_tem_before_frame(const Fragment& fragment) {
  std::size_t at = 0;
  while (at + 4 < fragment.length && fragment.bytes[at] == 0xff) {
    const unsigned marker = fragment.bytes[at + 1];
    const bool has_length = marker >= 0xc0 && marker < 0xff && (marker < 0xd0 || marker > 0xd9);
    if (marker == 0x01) return true;
    if (marker == 0x00 || (marker >= 0xc0 && marker < 0xd0 && marker % 4 != 0) || marker == 0xc0) return false;
    at += marker == 0xff ? 1 : 2;
    if (has_length) at += static_cast<std::size_t>(fragment.bytes[at] << 8 | fragment.bytes[at + 1]);
  }
  return false;
}

}  // namespace

DcmPixelSequence& pixel_sequence(const fs::path& path, DcmElement& element, E_TransferSyntax syntax) {
  auto* data = dynamic_cast<DcmPixelData*>(&element);
  DcmPixelSequence* sequence = nullptr;
  if (data == nullptr || data->getEncapsulatedRepresentation(syntax, nullptr, sequence).bad())
    throw damaged(path, "its pixels are not encoded as its header says");
  return *sequence;
}

void check_jpeg(const fs::path& path, DcmElement& element, const DicomHeader& header, int frame) {
  DcmPixelSequence& sequence = pixel_sequence(path, element, header.syntax);
  for (unsigned long i = 1; i < sequence.card(); ++i)
    if (has_tem_before_frame(fragment_of(path, sequence, i)))
      throw damaged(path, "the marker TEM stands before its frame");
  const bool alone = header.frames == 1;
  if (!alone && sequence.card() != static_cast<unsigned long>(header.frames) + 1) return;
  const Fragment last = fragment_of(path, sequence, alone ? sequence.card() - 1 : static_cast<unsigned long>(frame));
  constexpr std::size_t padding = 64;
  const std::string end(last.bytes + (last.length < padding ? 0 : last.length - padding), last.bytes + last.length);
  if (end.find("\xff\xd9") == std::string::npos) throw damaged(path, "it ends before its last pixel");
}

void decode_rle(const fs::path& path, DcmDataset& dataset, DicomHeader& header, int frame) {
  DcmElement* element = nullptr;
  if (dataset.findAndGetElement(DCM_PixelData, element).bad()) throw damaged(path, "its pixels cannot be decoded");
  const Fragment fragment =
      fragment_of(path, pixel_sequence(path, *element, header.syntax), static_cast<unsigned long>(frame));
  const std::uint8_t* bytes = fragment.bytes;
  const std::size_t length = fragment.length;
  const auto word = [&](std::size_t i) {
    std::size_t value = 0;
    for (std::size_t k = 4; k-- > 0;) value = value << 8 | bytes[4 * i + k];
    return value;
  };
  constexpr std::size_t table = 64;
  const std::size_t in_sample = static_cast<std::size_t>(header.bits_allocated) / 8,
                    segments = in_sample * static_cast<std::size_t>(header.samples),
                    pixels = static_cast<std::size_t>(header.width) * static_cast<std::size_t>(header.height);
  if (header.bits_allocated % 8 != 0 || in_sample > 2 || length < table || word(0) != segments)
    throw damaged(path, "its run lengths are not those of its pixels");
  std::vector<std::uint16_t> planes;  // of each sample
  planes.reserve(pixels * static_cast<std::size_t>(header.samples));
  for (std::size_t s = 0; s < segments; ++s) {
    const std::size_t begin = word(s + 1), end = s + 1 < segments ? word(s + 2) : length;
    if (begin < table || begin > end || end > length) throw damaged(path, "its run lengths lie outside of the frame");
    const std::vector<std::uint8_t> plane = unpacked(bytes + begin, bytes + end, pixels);
    if (plane.size() < pixels) throw damaged(path, "it ends before its last pixel");
    if (s % in_sample == 0) {
      planes.insert(planes.end(), plane.begin(), plane.end());
    } else {
      std::uint16_t* high = planes.data() + planes.size() - pixels;
      for (std::size_t i = 0; i < pixels; ++i) high[i] = static_cast<std::uint16_t>(high[i] << 8 | plane[i]);
    }
  }
  const std::vector<std::uint8_t> narrow(planes.begin(), planes.end());
  const OFCondition status = in_sample == 1
                                 ? dataset.putAndInsertUint8Array(DCM_PixelData, narrow.data(), narrow.size())
                                 : dataset.putAndInsertUint16Array(DCM_PixelData, planes.data(), planes.size());
  if (status.bad()) throw damaged(path, status.text());
  dataset.putAndInsertString(DCM_NumberOfFrames, "1");
  dataset.putAndInsertUint16(DCM_PlanarConfiguration, 1);
  if (header.photometric == "YBR_FULL_422") dataset.putAndInsertString(DCM_PhotometricInterpretation, "YBR_FULL");
  header.syntax = EXS_LittleEndianExplicit;
}

}  // namespace attnunet::data
#endif
