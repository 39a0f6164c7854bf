#include "common/data/image_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/bmp.h"
#include "common/data/dicom.h"
#include "common/data/image_bytes.h"
#include "common/data/jpeg.h"
#include "common/data/tiff.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

using namespace std::string_view_literals;

bool holds(const std::string& bytes, std::size_t at, std::string_view signature) {
  return bytes.size() >= at && bytes.compare(at, signature.size(), signature) == 0;
}

/// "BM" may begin a text: behind it there is the size of a header, which in a text would be letters.
bool is_bmp(const std::string& bytes) {
  return holds(bytes, 0, "BM") && (bytes.size() < 18 || (bytes[16] == 0 && bytes[17] == 0));
}

bool is_tiff(const std::string& bytes) {
  return holds(bytes, 0, "II*\0"sv) || holds(bytes, 0, "MM\0*"sv) || holds(bytes, 0, "II+\0"sv) ||
         holds(bytes, 0, "MM\0+"sv);
}

/// What a file is that is not read.
Error of_other_kind(const fs::path& path, const std::string& bytes) {
  struct Kind {
    std::size_t at;
    std::string_view signature;
    const char* name;
  };
  static constexpr Kind images[] = {
      {0, "GIF8", "a GIF image"},
      {8, "WEBP", "a WebP image"},
      {4, "ftypavif", "an AVIF image"},
      {4, "ftypheic", "a HEIC image"},
      {4, "ftypheix", "a HEIC image"},
      {4, "ftypmif1", "a HEIF image"},
      {4, "ftypmsf1", "a HEIF image"},
      {4, "jP  \r\n\x87\n", "a JPEG 2000 image"},
      {0, "\xff\x4f\xff\x51", "a JPEG 2000 image"},
      {4, "JXL \r\n\x87\n", "a JPEG XL image"},
      {0, "\xff\n", "a JPEG XL image"},
      {0, "II\xbc", "a JPEG XR image"},
      {0, "8BPS", "a Photoshop file"},
      {0, "gimp xcf", "a GIMP file"},
      {0, "P1\n", "a PBM image"},
      {0, "P2\n", "a PGM image"},
      {0, "P3\n", "a PPM image"},
      {0, "P4\n", "a PBM image"},
      {0, "P5\n", "a PGM image"},
      {0, "P6\n", "a PPM image"},
      {0, "v/1\x01", "an OpenEXR image"},
      {0, "DDS ", "a DDS image"},
      {0, "<svg", "an SVG drawing"},
      {0, "%PDF", "a PDF document"},
      {0, "%!PS", "a PostScript document"},
      {0, "\0\0\1\0"sv, "an icon"},
      {344, "n+1\0"sv, "a NIfTI volume"},
      {344, "ni1\0"sv, "a NIfTI volume"},
      {0, "NRRD", "an NRRD volume"},
      {0, "ObjectType", "a MetaImage volume"},
      {0, "\x93NUMPY", "a NumPy array"},
      {0, "MATLAB", "a MATLAB file"},
      {0, "\x89HDF", "an HDF5 file"},
      {4, "ftyp", "a video"},
      {8, "AVI ", "a video"},
      {0, "\x1a\x45\xdf\xa3", "a video"},
  };
  for (const Kind& kind : images)
    if (holds(bytes, kind.at, kind.signature))
      return Error(quoted(path) + " is " + kind.name + ", which is not read; save its pictures as PNG");
  static constexpr Kind others[] = {
      {0, "PK\3\4", "a ZIP archive; unpack it"},
      {0, "\x1f\x8b", "compressed by gzip; unpack it"},
      {0, "7z\xbc\xaf", "a 7-Zip archive; unpack it"},
      {0, "Rar!", "a RAR archive; unpack it"},
      {0, "version https://git-lfs", "a pointer of Git LFS, not the file itself; fetch it with git lfs pull"},
      {0, "<!DOCTYPE", "a web page, not an image; download the image itself"},
      {0, "<html", "a web page, not an image; download the image itself"},
  };
  for (const Kind& kind : others)
    if (holds(bytes, kind.at, kind.signature)) return Error(quoted(path) + " is " + kind.name);
  if (holds(bytes, 0, "\x89PNG")) return damaged(path, "its PNG signature was changed, as by a transfer in text mode");
  if (bytes.find_first_not_of('\0') == std::string::npos) return damaged(path, "all its bytes are 0");
  return Error(quoted(path) + " is neither PNG nor JPEG nor BMP nor TIFF nor DICOM; convert it to one of them");
}

/// What the file holds decides how it is read, not its name.
RawImage read_stored(const fs::path& path) {
  if (is_dicom(path)) return read_dicom(path);
  std::string bytes = read_image_bytes(path);
  if (holds(bytes, 0, "\xff\xd8")) return read_jpeg(path, bytes);
  if (is_bmp(bytes)) return read_bmp(path, bytes);
  if (is_tiff(bytes)) return read_tiff(path, bytes);
  // What is left of a signature is for read_png to report.
  if ("\x89PNG\r\n\x1a\n"sv.substr(0, bytes.size()) == bytes.substr(0, 8)) return read_png(path, std::move(bytes));
  throw of_other_kind(path, bytes);
}

}  // namespace

Grey read_image(const fs::path& path, const ReadOptions& options) {
  return luma_of(read_raw(path, options));
}

RawImage read_raw(const fs::path& path, const ReadOptions& options) {
  RawImage image = read_stored(path);
  return options.ignore_orientation ? image : oriented(std::move(image));
}

bool has_image_name(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array endings = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp",
                                  ".dib", ".tif", ".tiff", ".dcm", ".dicom"};
  return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

}  // namespace attnunet::data
