// JPEG files of kinds that tests need, by libjpeg.
#pragma once

// In this order: jpeglib.h needs what cstdio defines.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
// clang-format on

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace attnunet {

/// `pixels` is [height, width, channels]; `choose` is called with the defaults set and may change them.
inline std::string jpeg_bytes(int width, int height, int channels, std::vector<unsigned char> pixels,
                              const std::function<void(jpeg_compress_struct&)>& choose = {},
                              const std::string& exif = "") {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = channels;
  info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  if (choose) choose(info);
  jpeg_start_compress(&info, TRUE);
  if (!exif.empty()) {
    const std::string marker = std::string("Exif\0\0", 6) + exif;
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const unsigned char*>(marker.data()),
                      static_cast<unsigned>(marker.size()));
  }
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = &pixels[std::size_t{info.next_scanline} * static_cast<std::size_t>(width * channels)];
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string result(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return result;
}

/// An EXIF block that states this orientation, behind another entry.
inline std::string exif_block(int orientation, bool little = true) {
  const auto number = [&](int value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * (little ? i : bytes - 1 - i));
    return text;
  };
  return (little ? "II" : "MM") + number(42, 2) + number(8, 4) + number(2, 2) +  //
         number(0x100, 2) + number(4, 2) + number(1, 4) + number(77, 4) +        //
         number(0x112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + number(0, 2) + number(0, 4);
}

}  // namespace attnunet
