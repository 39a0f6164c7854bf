#include "common/data/jpeg.h"

// In this order: each needs what the one before it defines.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <utility>

#include "common/core/quoting.h"
#include "common/data/cmyk.h"
#include "common/data/exif.h"
#include "common/data/image_bytes.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

/// What the frame header says. libjpeg would refuse some of its kinds without naming them.
struct JpegFrame {
  unsigned marker = 0;  ///< 0xc0 to 0xcf, or 0xf7 of JPEG-LS; 0: there is none
  unsigned bits = 8;    ///< per sample
  bool has_height = true;
};

JpegFrame jpeg_frame(const std::string& bytes) {
  const auto at = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(bytes[i]); };
  for (std::size_t i = 2; i + 6 < bytes.size();) {
    const unsigned marker = at(i + 1);
    const bool alone = marker == 1 || (marker >= 0xd0 && marker <= 0xd8);  // without a length
    if (at(i) != 0xff || marker == 0 || marker == 0xff || alone) {
      ++i;
      continue;
    }
    if (marker == 0xf7 || ((marker & 0xf0) == 0xc0 && marker != 0xc4 && marker != 0xc8 && marker != 0xcc))
      return {marker, at(i + 4), at(i + 5) != 0 || at(i + 6) != 0};
    i += 2 + std::max(2u, at(i + 2) << 8 | at(i + 3));
  }
  return {};
}

Error not_read_in_jpeg(const fs::path& path, const std::string& what) {
  return Error(quoted(path) + " is " + what + ", which is not read; open it in an image editor and save it as PNG");
}

void check_kind(const fs::path& path, const JpegFrame& frame) {
  const unsigned marker = frame.marker;
  if (marker == 0) return;
  if (marker == 0xf7) throw not_read_in_jpeg(path, "a JPEG-LS image");
  if (marker == 0xc3 || marker == 0xcb)
    throw not_read_in_jpeg(path, "a lossless JPEG (SOF" + std::to_string(marker - 0xc0) + ")");
  if (marker > 0xc3 && marker != 0xc9 && marker != 0xca)
    throw not_read_in_jpeg(path, "a hierarchical JPEG (SOF" + std::to_string(marker - 0xc0) + ")");
  if (frame.bits != 8) throw not_read_in_jpeg(path, "a JPEG with " + std::to_string(frame.bits) + " bits per sample");
  if (!frame.has_height) throw not_read_in_jpeg(path, "a JPEG that states its height only behind its pixels (DNL)");
}

/// libjpeg's objects. Its errors end a step (run below) by longjmp, as C code that is called here cannot throw.
struct JpegDecoder {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf end_of_step;
  int code = 0;                     ///< of the error that ended a step
  char text[JMSG_LENGTH_MAX] = {};  ///< of that, or of the first warning that pixels are missing or wrong
  bool passed_end = false;          ///< it asked for more bytes than there are
  bool wrong = false;               ///< pixels are wrong, or were asked for where the data had ended
  bool complete = false;            ///< has_all_pixels when the last row was read

  JpegDecoder() {
    info.err = jpeg_std_error(&errors);
    errors.error_exit = &JpegDecoder::on_error;
    errors.emit_message = &JpegDecoder::on_message;
    progress.progress_monitor = &JpegDecoder::on_progress;
    info.client_data = this;
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  /// Whether `step` came to its end. It must not hold objects with destructors.
  template <class Step>
  bool run(const Step& step) {
    if (setjmp(end_of_step) != 0) return false;
    step();
    return true;
  }

 private:
  static void on_error(j_common_ptr info) {
    auto& self = *static_cast<JpegDecoder*>(info->client_data);
    self.code = self.errors.msg_code;
    if (!self.wrong) self.errors.format_message(info, self.text);
    std::longjmp(self.end_of_step, 1);
  }
  static void on_message(j_common_ptr info, int level) {
    if (level >= 0) return;  // not a warning
    auto& self = *static_cast<JpegDecoder*>(info->client_data);
    const int warning = self.errors.msg_code;
    if (warning == JWRN_JPEG_EOF) self.passed_end = true;
    const bool wrong = warning == JWRN_HIT_MARKER || warning == JWRN_HUFF_BAD_CODE || warning == JWRN_ARITH_BAD_CODE ||
                       warning == JWRN_MUST_RESYNC;
    if (wrong && !self.wrong) self.errors.format_message(info, self.text);
    self.wrong = self.wrong || wrong;
  }
  /// Each scan goes over the whole image: without a limit a small file could take hours.
  static void on_progress(j_common_ptr info) {
    auto& self = *static_cast<JpegDecoder*>(info->client_data);
    constexpr int most_scans = 1000;
    if (self.info.input_scan_number <= most_scans) return;
    std::snprintf(self.text, sizeof self.text, "more than %d scans", most_scans);
    std::longjmp(self.end_of_step, 1);
  }
};

Error error_of(const fs::path& path, const JpegDecoder& decoder) {
  switch (decoder.code) {
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_COMPONENT_COUNT:
    case JERR_IMAGE_TOO_BIG:
    case JERR_ARITH_NOTIMPL:
    case JERR_NOT_COMPILED:
      return not_read_in_jpeg(path, "a JPEG of a rare kind (" + std::string(decoder.text) + ")");
    default:
      return damaged(path, decoder.passed_end ? "it ends before its last pixel" : decoder.text);
  }
}

int orientation_of(const jpeg_decompress_struct& info) {
  constexpr char signature[] = "Exif\0";  // with the zero that ends the literal: six bytes
  for (jpeg_saved_marker_ptr marker = info.marker_list; marker != nullptr; marker = marker->next)
    if (marker->data_length >= sizeof signature && std::memcmp(marker->data, signature, sizeof signature) == 0)
      return exif_orientation(marker->data + sizeof signature, marker->data_length - sizeof signature);
  return 1;
}

/// Whether a file that ended too early lacks no more than its end marker. In one scan of Huffman codes libjpeg warns if
/// it needs bits beyond the end. Progressive files tell how exact each coefficient has become. Arithmetic codes may end
/// anywhere.
bool has_all_pixels(const jpeg_decompress_struct& info) {
  if (info.arith_code != 0) return false;
  if (info.progressive_mode == 0) return info.comps_in_scan == info.num_components;
  for (int component = 0; component < info.num_components; ++component)
    for (const int missing_bits : info.coef_bits[component])
      if (missing_bits != 0) return false;
  return true;
}

void decode_rows(const fs::path& path, JpegDecoder& decoder, RawImage& image) {
  jpeg_decompress_struct& info = decoder.info;
  const auto width = static_cast<std::size_t>(image.width), channels = static_cast<std::size_t>(image.channels);
  image.samples.resize(width * static_cast<std::size_t>(image.height) * channels);
  std::vector<unsigned char> row(width * static_cast<std::size_t>(info.num_components));
  unsigned char* const pointer = row.data();
  std::uint16_t* to = image.samples.data();
  const bool whole = decoder.run([&] {
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      JSAMPROW rows[1] = {pointer};
      jpeg_read_scanlines(&info, rows, 1);
      if (info.out_color_space == JCS_CMYK) {
        for (const unsigned char* inks = pointer; inks < pointer + 4 * width; inks += 4, to += 3)
          cmyk_to_rgb({255u - inks[0], 255u - inks[1], 255u - inks[2], 255u - inks[3]}, to);
      } else {
        to = std::copy_n(pointer, width * channels, to);
      }
    }
    decoder.complete = has_all_pixels(info);  // jpeg_finish_decompress frees what tells it
    jpeg_finish_decompress(&info);
  });
  if (!whole && decoder.code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
  if (!whole || decoder.wrong || (decoder.passed_end && !decoder.complete)) throw error_of(path, decoder);
}

}  // namespace

RawImage read_jpeg(const fs::path& path, const std::string& bytes) {
  check_kind(path, jpeg_frame(bytes));
  JpegDecoder decoder;
  jpeg_decompress_struct& info = decoder.info;
  const bool has_header = decoder.run([&] {
    jpeg_create_decompress(&info);
    info.progress = &decoder.progress;
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info, TRUE);
  });
  if (decoder.passed_end) throw damaged(path, "it ends within its header");
  if (!has_header) throw error_of(path, decoder);
  check_size(path, info.image_width, info.image_height);
  const std::int64_t pixels = std::int64_t{info.image_width} * info.image_height;
  // A Huffman code spends at least a bit on the mean of every block of 8 x 8 pixels, and all channels together have at
  // least half as many pixels as the image. Arithmetic coding may spend less.
  if (info.arith_code == 0 && pixels / 1024 > static_cast<std::int64_t>(bytes.size()))
    throw claims_too_much(path, info.image_width, info.image_height, bytes.size());

  RawImage image;
  image.width = static_cast<int>(info.image_width);
  image.height = static_cast<int>(info.image_height);
  image.orientation = orientation_of(info);
  image.lossy = true;
  switch (info.num_components) {
    case 1:
      image.channels = 1;
      info.out_color_space = JCS_GRAYSCALE;
      image.format = "8-bit grey";
      break;
    case 3:
      image.channels = 3;
      info.out_color_space = JCS_RGB;
      image.format = "8-bit RGB";
      break;
    case 4:
      image.channels = 3;
      info.out_color_space = JCS_CMYK;
      image.format = "8-bit CMYK";
      break;
    default:
      throw not_read_in_jpeg(path, "a JPEG with " + std::to_string(info.num_components) + " channels");
  }
  const std::int64_t memory = pixels * (2 * image.channels + (info.progressive_mode ? 2 * info.num_components : 0));
  return with_memory(path, image.width, image.height, memory, [&] {
    decode_rows(path, decoder, image);
    return std::move(image);
  });
}

}  // namespace attnunet::data
