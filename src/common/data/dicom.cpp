#include "common/data/dicom.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <system_error>

#include "common/core/counted.h"
#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/dicom_file.h"

#ifdef ATTNUNET_HAVE_DCMTK
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmimage/diregist.h>
#include <dcmtk/dcmimgle/dcmimage.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "common/data/dicom_encoded.h"
#include "common/data/dicom_geometry.h"
#include "common/data/image_bytes.h"
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

std::string dicom_support() {
  return "no (built without DCMTK: install libdcmtk-dev and build again)";
}

int count_dicom_frames(const fs::path& path) {
  throw no_dcmtk(path);
}

RawImage read_dicom(const fs::path& path, int) {
  throw no_dcmtk(path);
}

#else

namespace {

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

/// A frame, from 1 on.
RawImage decode_dicom(const fs::path& path, DcmDataset& dataset, DicomHeader header, int frame) {
  const bool grey = header.samples == 1 && header.photometric != "PALETTE COLOR";
  const double window_width = number_of(dataset, DCM_WindowWidth).value_or(0);
  const bool windowed =
      grey && header.bits_stored > 8 && window_width >= 1 && number_of(dataset, DCM_WindowCenter).has_value();
  if (header.syntax == EXS_RLELossless) {
    decode_rle(path, dataset, header, frame);
    frame = 1;
  } else if (DcmXfer(header.syntax).isEncapsulated()) {
    DcmElement* element = nullptr;
    if (dataset.findAndGetElement(DCM_PixelData, element).good()) check_jpeg(path, *element, header, frame);
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
  find_region_and_spacing(dataset, image);
  if (image.region.width > 0) image.format += " (a region of the frame)";
  return image;
}

}  // namespace

std::string dicom_support() {
  return std::string("yes (DCMTK ") + OFFIS_DCMTK_VERSION_STRING + ")";
}

int count_dicom_frames(const fs::path& path) {
  const std::unique_ptr<DcmFileFormat> file = open_dicom(path);
  DcmDataset& dataset = *file->getDataset();
  if (!dataset.tagExists(DCM_PixelData) || text_of(dataset, DCM_Manufacturer) == dicom_manufacturer) return 0;
  return read_dicom_header(path, *file).frames;
}

RawImage read_dicom(const fs::path& path, int frame) {
  const std::unique_ptr<DcmFileFormat> file = open_dicom(path);
  const DicomHeader header = read_dicom_header(path, *file);
  if (frame == 0 && header.frames > 1)
    throw Error(quoted(path) + " has " + std::to_string(header.frames) +
                " frames; a dataset takes images: write those it should have into files of their own");
  if (frame > header.frames)
    throw Error(quoted(path) + " has " + counted(static_cast<std::size_t>(header.frames), "frame", "frames") +
                ", but no frame " + std::to_string(frame));
  // As DCMTK decodes and as it shows it, 16 bits each, and the samples.
  const std::int64_t bytes = std::int64_t{header.width} * header.height * header.samples * 6;
  return with_memory(path, header.width, header.height, bytes,
                     [&] { return decode_dicom(path, *file->getDataset(), header, std::max(frame, 1)); });
}

#endif

}  // namespace attnunet::data
