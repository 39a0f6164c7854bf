#include "common/data/dicom.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <system_error>

#include "common/core/error.h"
#include "common/core/quoting.h"

#ifdef ATTNUNET_HAVE_DCMTK
#include <dcmtk/config/osconfig.h>
// Their configuration comes first.
#include <dcmtk/dcmdata/dccodec.h>
#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmdata/dcwcache.h>
#include <dcmtk/dcmimage/diregist.h>
#include <dcmtk/dcmimgle/dcmimage.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "common/core/build.h"
#include "common/io/atomic_file.h"
#endif

namespace attnunet::data {
namespace fs = std::filesystem;

namespace {

/// The first bytes of a regular file, as many as there are.
std::string beginning(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return "";
  std::string bytes(132, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  return bytes;
}

bool has_prefix(const std::string& bytes) {
  return bytes.size() == 132 && bytes.compare(128, 4, "DICM") == 0;
}

}  // namespace

bool begins_as_dicom(const fs::path& path) {
  return has_prefix(beginning(path));
}

bool is_dicom(const fs::path& path) {
  const std::string bytes = beginning(path);
  if (has_prefix(bytes)) return true;
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (ending != ".dcm" && ending != ".dicom") return false;
  for (const char* signature : {"\x89PNG", "\xff\xd8", "BM", "II*", "MM"})
    if (bytes.rfind(signature, 0) == 0) return false;
  return !bytes.empty();
}

#ifndef ATTNUNET_HAVE_DCMTK

namespace {

Error no_dcmtk(const fs::path& path) {
  return Error(quoted(path) +
               " is a DICOM file, and this attnunet was built without DCMTK; install libdcmtk-dev and build again, or "
               "convert the file to PNG");
}

}  // namespace

std::string dicom_support() {
  return "no (built without DCMTK: install libdcmtk-dev and build again)";
}

int count_dicom_frames(const fs::path& path) {
  throw no_dcmtk(path);
}

RawImage read_dicom(const fs::path& path, int) {
  throw no_dcmtk(path);
}

DicomUids new_dicom_uids() {
  return {};
}

void write_dicom_mask(const fs::path&, const Grey&, const DicomMaskSource& source) {
  throw no_dcmtk(source.file);
}

#else

namespace {

constexpr char manufacturer[] = "attnunet";

/// Once: decoders, and silence, since DCMTK's messages may quote what a file says about the patient.
void set_up(const fs::path& path) {
  static const bool done = [] {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
    return true;
  }();
  static_cast<void>(done);
  if (!dcmDataDict.isDictionaryLoaded())
    throw Error("DCMTK does not find its data dictionary, without which it cannot read " + quoted(path) +
                "; install it again, or check DCMDICTPATH");
}

/// Whether the attribute is there and as short as those that we ask for are. DCMTK allocates what a length claims, even
/// 4 GB of a file of 16 bytes.
bool has_short(DcmItem& item, const DcmTagKey& tag) {
  DcmElement* element = nullptr;
  return item.findAndGetElement(tag, element).good() && element->getLengthField() <= 1 << 16;
}

std::string text_of(DcmItem& item, const DcmTagKey& tag) {
  OFString text;
  return has_short(item, tag) && item.findAndGetOFString(tag, text).good() ? std::string(text.c_str(), text.length())
                                                                           : "";
}

std::optional<double> number_of(DcmItem& item, const DcmTagKey& tag, unsigned long position = 0) {
  Float64 value = 0;
  if (!has_short(item, tag) || item.findAndGetFloat64(tag, value, position).bad() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

std::optional<int> whole_of(DcmItem& item, const DcmTagKey& tag) {
  Uint16 value = 0;
  if (!has_short(item, tag) || item.findAndGetUint16(tag, value).bad()) return std::nullopt;
  return value;
}

/// The file with all but its long values, which stay on the disk until they are asked for.
std::unique_ptr<DcmFileFormat> load(const fs::path& path) {
  set_up(path);
  auto file = std::make_unique<DcmFileFormat>();
  const OFCondition status = file->loadFile(fs::absolute(path).c_str());  // of "-" DCMTK reads standard input
  DcmMetaInfo& meta = *file->getMetaInfo();
  Uint32 meta_bytes = 0;
  if (has_short(meta, DCM_FileMetaInformationGroupLength) &&
      meta.findAndGetUint32(DCM_FileMetaInformationGroupLength, meta_bytes).good() &&
      fs::file_size(path) < std::uintmax_t{144} + meta_bytes)
    throw damaged(path, "it ends within its header");
  const std::string syntax = text_of(meta, DCM_TransferSyntaxUID);
  if (syntax.find_first_not_of("0123456789.") != std::string::npos)
    throw damaged(path, "its transfer syntax is not a UID");
  if (!syntax.empty() && DcmXfer(syntax.c_str()).getXfer() == EXS_Unknown)
    throw Error(quoted(path) + " is encoded in the transfer syntax " + quoted_excerpt(syntax) +
                ", which is not read; write it again as uncompressed DICOM or as PNG");
  if (status.good()) return file;
  if (!begins_as_dicom(path))
    throw Error(quoted(path) + " is named as DICOM but does not hold it; give it the ending of what it is");
  throw damaged(path, status.text());
}

struct Header {
  int width = 0, height = 0, frames = 1, samples = 1, bits_allocated = 8, bits_stored = 8;
  std::string photometric;
  E_TransferSyntax syntax = EXS_Unknown;
};

std::string size_text(const Header& header) {
  return std::to_string(header.frames) + (header.frames == 1 ? " frame of " : " frames of ") +
         std::to_string(header.width) + " x " + std::to_string(header.height) + " pixels";
}

/// What can be decoded: registered with DCMTK, or nothing to decode.
void check_syntax(const fs::path& path, E_TransferSyntax syntax) {
  const DcmXfer xfer(syntax);
  if (!xfer.isEncapsulated() || syntax == EXS_RLELossless ||
      DcmCodecList::canChangeCoding(syntax, EXS_LittleEndianExplicit))
    return;
  throw Error(quoted(path) + " is encoded as " + xfer.getXferName() +
              ", which is not read; write it again as uncompressed DICOM (of JPEG 2000 with gdcmconv --raw) or as PNG");
}

DcmPixelSequence& pixel_sequence(const fs::path& path, DcmElement& element, E_TransferSyntax syntax) {
  auto* data = dynamic_cast<DcmPixelData*>(&element);
  DcmPixelSequence* sequence = nullptr;
  if (data == nullptr || data->getEncapsulatedRepresentation(syntax, nullptr, sequence).bad())
    throw damaged(path, "its pixels are not encoded as its header says");
  return *sequence;
}

/// Throws if the file can't have as many pixels as it claims, before anything is allocated for them.
void check_size(const fs::path& path, const Header& header, DcmElement& element) {
  if (header.width == 0 || header.height == 0) throw damaged(path, "its header says " + size_text(header));
  if (header.height > largest_image / header.width)
    throw Error(quoted(path) + " claims to have " + size_text(header) + ", more than the limit of " +
                std::to_string(largest_image) + "; scale it down or remove it");
  const auto lacking = [&](std::int64_t bytes) {
    return damaged(path, "its header claims " + size_text(header) + ", more than its " + std::to_string(bytes) +
                             " bytes of pixels hold");
  };
  const std::int64_t pixels = std::int64_t{header.width} * header.height;
  if (!DcmXfer(header.syntax).isEncapsulated()) {
    std::int64_t bits = std::int64_t{header.samples} * header.bits_allocated;
    if (header.photometric == "YBR_FULL_422") bits = bits / 3 * 2;
    const std::int64_t bytes = element.getLength(header.syntax);
    if (pixels * bits > bytes * 8 / header.frames) throw lacking(bytes);
    return;
  }
  DcmPixelSequence& sequence = pixel_sequence(path, element, header.syntax);
  std::int64_t bytes = 0;
  DcmPixelItem* item = nullptr;
  for (unsigned long i = 1; i < sequence.card(); ++i)
    if (sequence.getItem(item, i).good()) bytes += item->getLength();
  if (bytes > static_cast<std::int64_t>(fs::file_size(path))) throw damaged(path, "it ends within its pixels");
  // Every frame begins an item, behind the table of offsets. RLE spends two bytes at least on 128 pixels, JPEG a bit on
  // every 8 x 8 block; the runs of JPEG-LS have no such bound.
  const std::int64_t pixels_in_byte = header.syntax == EXS_RLELossless ? 64 : 512;
  const bool bounded = header.syntax != EXS_JPEGLSLossless && header.syntax != EXS_JPEGLSLossy;
  if (sequence.card() <= static_cast<unsigned long>(header.frames) ||
      (bounded && pixels / pixels_in_byte > bytes / header.frames))
    throw lacking(bytes);
}

/// Throws if the file holds no image or one that is not read.
Header read_header(const fs::path& path, DcmFileFormat& file) {
  DcmDataset& dataset = *file.getDataset();
  DcmElement* element = nullptr;
  if (dataset.findAndGetElement(DCM_PixelData, element).bad()) {
    const std::string kind = text_of(dataset, DCM_SOPClassUID);
    throw Error(quoted(path) + " is a DICOM file without an image (" +
                dcmFindNameOfUID(kind.c_str(), "of unknown kind") + "); leave it out");
  }
  Header header;
  header.syntax = dataset.getOriginalXfer();
  check_syntax(path, header.syntax);
  header.width = whole_of(dataset, DCM_Columns).value_or(0);
  header.height = whole_of(dataset, DCM_Rows).value_or(0);
  header.samples = whole_of(dataset, DCM_SamplesPerPixel).value_or(1);
  header.bits_allocated = whole_of(dataset, DCM_BitsAllocated).value_or(8);
  header.bits_stored = whole_of(dataset, DCM_BitsStored).value_or(header.bits_allocated);
  header.photometric = text_of(dataset, DCM_PhotometricInterpretation);
  Sint32 frames = 1;
  if (has_short(dataset, DCM_NumberOfFrames) && dataset.findAndGetSint32(DCM_NumberOfFrames, frames).good())
    header.frames = std::max(frames, 1);
  if (header.bits_stored < 1 || header.bits_stored > 16 || header.bits_stored > header.bits_allocated ||
      (header.samples != 1 && header.samples != 3))
    throw Error(quoted(path) + " has " + std::to_string(header.samples) + " samples per pixel of " +
                std::to_string(header.bits_stored) +
                " bits; one or three of up to 16 bits are read: convert it to PNG");
  check_size(path, header, *element);
  return header;
}

/// What a region of type 2D says of itself; not if it lies outside of the frame.
struct FoundRegion {
  Region place;
  double mm_per_column = 0, mm_per_row = 0;
};

std::vector<FoundRegion> regions_2d(DcmItem& dataset, const Header& header) {
  std::vector<FoundRegion> regions;
  DcmItem* item = nullptr;
  for (signed long i = 0; dataset.findAndGetSequenceItem(DCM_SequenceOfUltrasoundRegions, item, i).good(); ++i) {
    constexpr int spatial_format_2d = 1, unit_cm = 3;
    if (whole_of(*item, DCM_RegionSpatialFormat) != spatial_format_2d) continue;
    std::array<Uint32, 4> corners{};
    bool complete = true;
    std::size_t k = 0;
    for (const DcmTagKey& tag :
         {DCM_RegionLocationMinX0, DCM_RegionLocationMinY0, DCM_RegionLocationMaxX1, DCM_RegionLocationMaxY1})
      complete = has_short(*item, tag) && item->findAndGetUint32(tag, corners[k++]).good() && complete;
    const auto within = [](Uint32 corner, int side) {
      return static_cast<int>(std::min(corner, static_cast<Uint32>(side - 1)));  // some scanners name the pixel beyond
    };
    FoundRegion region;
    const int right = within(corners[2], header.width), bottom = within(corners[3], header.height);
    region.place.left = within(corners[0], header.width);
    region.place.top = within(corners[1], header.height);
    region.place.width = right - region.place.left + 1;
    region.place.height = bottom - region.place.top + 1;
    if (!complete || region.place.width <= 1 || region.place.height <= 1) continue;
    const auto mm = [&](const DcmTagKey& unit, const DcmTagKey& delta) {
      const double value = whole_of(*item, unit) == unit_cm ? number_of(*item, delta).value_or(0) : 0;
      return 10 * std::abs(value);
    };
    region.mm_per_column = mm(DCM_PhysicalUnitsXDirection, DCM_PhysicalDeltaX);
    region.mm_per_row = mm(DCM_PhysicalUnitsYDirection, DCM_PhysicalDeltaY);
    regions.push_back(region);
  }
  return regions;
}

void find_region_and_spacing(DcmItem& dataset, const Header& header, RawImage& image) {
  const std::vector<FoundRegion> regions = regions_2d(dataset, header);
  const auto differ = [](double a, double b) { return std::abs(a - b) > 1e-6 * std::abs(a); };
  if (!regions.empty()) {
    const FoundRegion& first = regions.front();
    const Region& place = first.place;
    if (regions.size() == 1 && (place.width < header.width || place.height < header.height)) image.region = place;
    const bool agree = std::none_of(regions.begin(), regions.end(), [&](const FoundRegion& other) {
      return differ(first.mm_per_column, other.mm_per_column) || differ(first.mm_per_row, other.mm_per_row);
    });
    if (agree && first.mm_per_column > 0 && first.mm_per_row > 0) {
      image.mm_per_column = first.mm_per_column;
      image.mm_per_row = first.mm_per_row;
      return;
    }
  }
  for (const DcmTagKey& tag : {DCM_PixelSpacing, DCM_ImagerPixelSpacing}) {
    const double row = number_of(dataset, tag, 0).value_or(0), column = number_of(dataset, tag, 1).value_or(0);
    if (row > 0 && column > 0) {
      image.mm_per_row = row;
      image.mm_per_column = column;
      return;
    }
  }
}

/// Throws if a JPEG or JPEG-LS frame lacks its end marker: DCMTK makes up the pixels that are missing. Says nothing of
/// frames in several fragments.
void check_jpeg_end(const fs::path& path, DcmElement& element, const Header& header, int frame) {
  DcmPixelSequence& sequence = pixel_sequence(path, element, header.syntax);
  const bool alone = header.frames == 1;
  if (!alone && sequence.card() != static_cast<unsigned long>(header.frames) + 1) return;
  DcmPixelItem* item = nullptr;
  Uint8* bytes = nullptr;
  if (sequence.getItem(item, alone ? sequence.card() - 1 : static_cast<unsigned long>(frame)).bad() ||
      item->getUint8Array(bytes).bad() || bytes == nullptr)
    throw damaged(path, "its pixels cannot be decoded");
  constexpr std::size_t padding = 64;
  const auto length = static_cast<std::size_t>(item->getLength());
  const std::string end(bytes + (length < padding ? 0 : length - padding), bytes + length);
  if (end.find("\xff\xd9") == std::string::npos) throw damaged(path, "it ends before its last pixel");
}

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

/// Puts one frame in the place of the dataset's run-length encoded pixels. DCMTK's own decoder (3.6.7) reads beyond the
/// file if a segment is said to begin there.
void decode_rle(const fs::path& path, DcmDataset& dataset, Header& header, int frame) {
  DcmElement* element = nullptr;
  DcmPixelItem* item = nullptr;
  Uint8* bytes = nullptr;
  if (dataset.findAndGetElement(DCM_PixelData, element).bad() ||
      pixel_sequence(path, *element, header.syntax).getItem(item, static_cast<unsigned long>(frame)).bad() ||
      item->getUint8Array(bytes).bad() || bytes == nullptr)
    throw damaged(path, "its pixels cannot be decoded");
  const auto length = static_cast<std::size_t>(item->getLength());
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

/// MONOCHROME1 has white at 0.
void invert(RawImage& image) {
  const int white = (1 << image.bits) - 1;
  for (std::uint16_t& sample : image.samples) sample = static_cast<std::uint16_t>(white - sample);
}

/// YBR_FULL as PS3.3, C.7.6.3.1.2, has it. DCMTK's own conversion cuts off fractions, twice.
void ybr_to_rgb(RawImage& image) {
  const double white = (1 << image.bits) - 1, middle = 1 << (image.bits - 1);
  const auto sample_of = [&](double value) {
    return static_cast<std::uint16_t>(std::lround(std::clamp(value, 0.0, white)));
  };
  for (std::size_t i = 0; i + 2 < image.samples.size(); i += 3) {
    std::uint16_t* pixel = &image.samples[i];
    const double y = pixel[0], cb = pixel[1] - middle, cr = pixel[2] - middle;
    pixel[0] = sample_of(y + 1.402 * cr);
    pixel[1] = sample_of(y - 0.344136 * cb - 0.714136 * cr);
    pixel[2] = sample_of(y + 1.772 * cb);
  }
}

std::string new_uid(const char* root) {
  static std::mutex one_at_a_time;  // DCMTK counts without a lock
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  char uid[65];
  return dcmGenerateUniqueIdentifier(uid, root);
}

/// Today and now, or the error of an attribute that cannot be set, which names no value.
class Writer {
 public:
  Writer(DcmItem& item, const fs::path& path) : item_(item), path_(path) {}

  void text(const DcmTagKey& tag, const std::string& value) { check(item_.putAndInsertString(tag, value.c_str())); }
  void whole(const DcmTagKey& tag, int value) { check(item_.putAndInsertUint16(tag, static_cast<Uint16>(value))); }
  void bytes(const DcmTagKey& tag, const std::vector<std::uint8_t>& value) {
    check(item_.putAndInsertUint8Array(tag, value.data(), value.size()));
  }
  void empty(const DcmTagKey& tag) { check(item_.insertEmptyElement(tag)); }
  /// The same value, which may be absent.
  void copy(const DcmTagKey& tag, DcmItem& from) {
    if (from.tagExists(tag)) check(from.findAndInsertCopyOfElement(tag, &item_));
  }
  DcmItem& new_item(const DcmTagKey& sequence) {
    DcmItem* item = nullptr;
    check(item_.findOrCreateSequenceItem(sequence, item, -2));
    return *item;
  }
  void check(const OFCondition& status) const {
    if (status.bad()) throw Error("cannot write " + quoted(path_) + ": " + status.text());
  }

 private:
  DcmItem& item_;
  const fs::path& path_;
};

void write_identity(Writer& writer, DcmItem& from, const DicomMaskSource& source) {
  const std::array required = {DCM_PatientName, DCM_PatientID,       DCM_PatientBirthDate,
                               DCM_PatientSex,  DCM_StudyDate,       DCM_StudyTime,
                               DCM_StudyID,     DCM_AccessionNumber, DCM_ReferringPhysicianName};
  for (const DcmTagKey& tag : required) writer.empty(tag);
  writer.text(DCM_StudyInstanceUID, source.uids.study);
  if (source.anonymous) {
    writer.text(DCM_PatientIdentityRemoved, "YES");
    writer.text(DCM_DeidentificationMethod, "Nothing of patient, study and source was copied");
    return;
  }
  writer.copy(DCM_SpecificCharacterSet, from);  // in which the texts below are written
  for (const DcmTagKey& tag : required) writer.copy(tag, from);
  for (const DcmTagKey& tag : {DCM_IssuerOfPatientID, DCM_StudyDescription, DCM_TimezoneOffsetFromUTC, DCM_Laterality})
    writer.copy(tag, from);
  if (!text_of(from, DCM_StudyInstanceUID).empty()) writer.copy(DCM_StudyInstanceUID, from);
  const std::string kind = text_of(from, DCM_SOPClassUID), instance = text_of(from, DCM_SOPInstanceUID);
  if (kind.empty() || instance.empty()) return;
  DcmItem& item = writer.new_item(DCM_SourceImageSequence);
  writer.check(item.putAndInsertString(DCM_ReferencedSOPClassUID, kind.c_str()));
  writer.check(item.putAndInsertString(DCM_ReferencedSOPInstanceUID, instance.c_str()));
  if (from.tagExists(DCM_NumberOfFrames))
    writer.check(item.putAndInsertString(DCM_ReferencedFrameNumber, std::to_string(source.frame).c_str()));
}

void write_series_and_image(Writer& writer, DcmItem& from, const DicomMaskSource& source) {
  writer.text(DCM_SOPClassUID, UID_SecondaryCaptureImageStorage);
  writer.text(DCM_SOPInstanceUID, new_uid(SITE_INSTANCE_UID_ROOT));
  writer.text(DCM_SeriesInstanceUID, source.uids.series);
  writer.empty(DCM_SeriesNumber);
  writer.text(DCM_SeriesDescription, "Lesion mask");
  const std::string modality = text_of(from, DCM_Modality);
  writer.text(DCM_Modality, modality.empty() ? "OT" : modality);
  writer.text(DCM_ConversionType, "WSD");  // a workstation made it
  writer.text(DCM_Manufacturer, manufacturer);
  writer.text(DCM_SoftwareVersions, version);
  writer.text(DCM_InstanceNumber, std::to_string(source.frame));
  writer.empty(DCM_PatientOrientation);
  writer.text(DCM_ImageType, "DERIVED\\SECONDARY");
  writer.text(DCM_DerivationDescription, "Lesion mask predicted by a network: 255 inside, 0 outside");
  writer.text(DCM_BurnedInAnnotation, "NO");
  OFString date, time;
  DcmDate::getCurrentDate(date);
  DcmTime::getCurrentTime(time);
  writer.text(DCM_ContentDate, date.c_str());
  writer.text(DCM_ContentTime, time.c_str());
  if (source.mm_per_row > 0 && source.mm_per_column > 0) {
    char spacing[40];  // each of up to 16 characters
    std::snprintf(spacing, sizeof spacing, "%.9g\\%.9g", source.mm_per_row, source.mm_per_column);
    writer.text(DCM_PixelSpacing, spacing);
  }
}

void write_pixels(Writer& writer, const Grey& mask) {
  writer.whole(DCM_SamplesPerPixel, 1);
  writer.text(DCM_PhotometricInterpretation, "MONOCHROME2");
  writer.whole(DCM_Rows, mask.height);
  writer.whole(DCM_Columns, mask.width);
  writer.whole(DCM_BitsAllocated, 8);
  writer.whole(DCM_BitsStored, 8);
  writer.whole(DCM_HighBit, 7);
  writer.whole(DCM_PixelRepresentation, 0);
  writer.text(DCM_WindowCenter, "128");
  writer.text(DCM_WindowWidth, "256");
  writer.bytes(DCM_PixelData, mask.pixels);
}

}  // namespace

std::string dicom_support() {
  return std::string("yes (DCMTK ") + OFFIS_DCMTK_VERSION_STRING + ")";
}

int count_dicom_frames(const fs::path& path) {
  const std::unique_ptr<DcmFileFormat> file = load(path);
  DcmDataset& dataset = *file->getDataset();
  if (!dataset.tagExists(DCM_PixelData) || text_of(dataset, DCM_Manufacturer) == manufacturer) return 0;
  return read_header(path, *file).frames;
}

RawImage read_dicom(const fs::path& path, int frame) {
  const std::unique_ptr<DcmFileFormat> file = load(path);
  DcmDataset& dataset = *file->getDataset();
  Header header = read_header(path, *file);
  if (frame == 0 && header.frames > 1)
    throw Error(quoted(path) + " has " + std::to_string(header.frames) +
                " frames; a dataset takes images: write those it should have into files of their own");
  if (frame > header.frames)
    throw Error(quoted(path) + " has " + std::to_string(header.frames) + " frames, none of them frame " +
                std::to_string(frame));

  const bool grey = header.samples == 1 && header.photometric != "PALETTE COLOR";
  const double window_width = number_of(dataset, DCM_WindowWidth).value_or(0);
  const bool windowed =
      grey && header.bits_stored > 8 && window_width >= 1 && number_of(dataset, DCM_WindowCenter).has_value();
  frame = std::max(frame, 1);
  if (header.syntax == EXS_RLELossless) {
    decode_rle(path, dataset, header, frame);
    frame = 1;
  } else if (DcmXfer(header.syntax).isEncapsulated()) {
    DcmElement* element = nullptr;
    if (dataset.findAndGetElement(DCM_PixelData, element).good()) check_jpeg_end(path, *element, header, frame);
  }
  const unsigned long flags =
      CIF_UsePartialAccessToPixelData | CIF_KeepYCbCrColorModel | (windowed ? 0 : CIF_IgnoreModalityTransformation);
  DicomImage decoded(&dataset, header.syntax, flags, static_cast<unsigned long>(frame - 1), 1);
  if (decoded.getStatus() != EIS_Normal) throw damaged(path, DicomImage::getString(decoded.getStatus()));
  if (static_cast<int>(decoded.getWidth()) != header.width || static_cast<int>(decoded.getHeight()) != header.height)
    throw damaged(path, "its pixels have another size than its header says");
  const EP_Interpretation colours = decoded.getPhotometricInterpretation();
  decoded.hideAllOverlays();
  if (colours == EPI_Monochrome1) decoded.setPolarity(EPP_Reverse);  // as stored: its inversion is off by one
  if (windowed && decoded.setWindow(0) == 0) throw damaged(path, "its window cannot be applied");

  RawImage image;
  image.width = header.width;
  image.height = header.height;
  image.channels = decoded.isMonochrome() != 0 ? 1 : 3;
  image.bits = windowed || header.photometric == "PALETTE COLOR" ? 8 : header.bits_stored;
  image.significant_bits = image.bits;
  image.format = "DICOM, " + std::to_string(header.bits_stored) + "-bit " +
                 (image.channels == 1   ? "grey"
                  : header.samples == 1 ? "palette"
                                        : "RGB") +
                 (windowed ? " through its window" : "");
  const std::size_t count = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) *
                            static_cast<std::size_t>(image.channels);
  const auto copy_samples = [&](auto type) {
    std::vector<decltype(type)> samples(count);
    if (decoded.getOutputData(samples.data(), samples.size() * sizeof type, image.bits) == 0)
      throw damaged(path, "its pixels cannot be decoded");
    image.samples.assign(samples.begin(), samples.end());
  };
  if (image.bits <= 8)
    copy_samples(std::uint8_t{});
  else
    copy_samples(std::uint16_t{});
  if (colours == EPI_Monochrome1) invert(image);
  if (colours == EPI_YBR_Full || colours == EPI_YBR_Full_422) ybr_to_rgb(image);
  find_region_and_spacing(dataset, header, image);
  return image;
}

DicomUids new_dicom_uids() {
  return {new_uid(SITE_STUDY_UID_ROOT), new_uid(SITE_SERIES_UID_ROOT)};
}

void write_dicom_mask(const fs::path& path, const Grey& mask, const DicomMaskSource& source) {
  const std::unique_ptr<DcmFileFormat> from = load(source.file);
  DcmFileFormat file;
  Writer writer(*file.getDataset(), path);
  write_identity(writer, *from->getDataset(), source);
  write_series_and_image(writer, *from->getDataset(), source);
  write_pixels(writer, mask);
  writer.check(file.validateMetaInfo(EXS_LittleEndianExplicit));

  constexpr std::size_t preamble = 132;
  std::vector<std::uint8_t> bytes(file.calcElementLength(EXS_LittleEndianExplicit, EET_ExplicitLength) + preamble);
  DcmOutputBufferStream stream(bytes.data(), static_cast<offile_off_t>(bytes.size()));
  DcmWriteCache cache;
  file.transferInit();
  writer.check(file.write(stream, EXS_LittleEndianExplicit, EET_ExplicitLength, &cache));
  file.transferEnd();
  void* begin = nullptr;
  offile_off_t length = 0;
  stream.flushBuffer(begin, length);
  AtomicFile target(path, Durability::unsynced);
  target.write(begin, static_cast<std::size_t>(length));
  target.commit();
}

#endif

}  // namespace attnunet::data
