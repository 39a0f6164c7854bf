#include "common/data/dicom_file.h"

#include "common/core/quoting.h"

#ifdef ATTNUNET_HAVE_DCMTK
#include <dcmtk/dcmdata/dccodec.h>
#include <dcmtk/dcmdata/dcdict.h>
#include <dcmtk/dcmdata/dcmetinf.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>

#include <algorithm>
#include <cmath>

#include "common/data/dicom.h"
#include "common/data/dicom_encoded.h"
#endif

namespace attnunet::data {
namespace fs = std::filesystem;

#ifndef ATTNUNET_HAVE_DCMTK

Error no_dcmtk(const fs::path& path) {
  return Error(quoted(path) +
               " is a DICOM file, and this attnunet was built without DCMTK; install libdcmtk-dev and build again, or "
               "convert the file to PNG");
}

#else

namespace {

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

std::string size_text(const DicomHeader& header) {
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

/// Throws if the file can't have as many pixels as it claims, before anything is allocated for them.
void check_value_size(const fs::path& path, const DicomHeader& header, DcmElement& element) {
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

}  // namespace

bool has_short(DcmItem& item, const DcmTagKey& tag) {
  DcmElement* element = nullptr;
  return item.findAndGetElement(tag, element).good() && element->getLengthField() <= 1 << 16;
}

std::string text_of(DcmItem& item, const DcmTagKey& tag) {
  OFString text;
  return has_short(item, tag) && item.findAndGetOFString(tag, text).good() ? std::string(text.c_str(), text.length())
                                                                           : "";
}

std::optional<double> number_of(DcmItem& item, const DcmTagKey& tag, unsigned long position) {
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

std::unique_ptr<DcmFileFormat> open_dicom(const fs::path& path) {
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

DicomHeader read_dicom_header(const fs::path& path, DcmFileFormat& file) {
  DcmDataset& dataset = *file.getDataset();
  DcmElement* element = nullptr;
  if (dataset.findAndGetElement(DCM_PixelData, element).bad()) {
    const std::string kind = text_of(dataset, DCM_SOPClassUID);
    throw Error(quoted(path) + " is a DICOM file without an image (" +
                dcmFindNameOfUID(kind.c_str(), "of unknown kind") + "); leave it out");
  }
  DicomHeader header;
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
  check_value_size(path, header, *element);
  return header;
}

#endif

}  // namespace attnunet::data
