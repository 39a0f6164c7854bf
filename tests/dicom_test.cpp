// DICOM files of every kind that ultrasound has, written byte by byte; compressed ones by DCMTK's tools.
#include "common/data/dicom.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/core/error.h"
#include "common/core/random.h"
#include "common/data/dicom_mask.h"
#include "common/data/image_file.h"
#include "common/data/luma.h"
#include "support/dicom.h"

namespace attnunet::data {
namespace TEST_FILE {

namespace fs = std::filesystem;

constexpr int width = 7, height = 5;

/// Every byte of it different from its neighbours, odd in number.
std::string picture(int values = width * height, int step = 7) {
  std::string bytes;
  for (int i = 0; i < values; ++i) bytes += static_cast<char>((i * step + 3) & 255);
  return bytes;
}

std::vector<std::uint16_t> numbers(const std::string& bytes) {
  std::vector<std::uint16_t> values;
  for (const char byte : bytes) values.push_back(static_cast<unsigned char>(byte));
  return values;
}

struct Dicom : testing::Test {
  TemporaryFolder folder;

  void SetUp() override{ATTNUNET_SKIP_WITHOUT_DICOM()} RawImage read(const std::string& bytes, int frame = 0) const {
    write_text(folder / "a.dcm", bytes);
    return read_dicom(folder / "a.dcm", frame);
  }
  RawImage read(const DicomItem& dataset, int frame = 0) const { return read(dicom_file(dataset), frame); }
  void expect_refused(const std::string& bytes, const std::vector<std::string>& reasons) const {
    write_text(folder / "a.dcm", bytes);
    const std::string message = message_of<Error>([&] { read_raw(folder / "a.dcm"); });
    EXPECT_NE(message.find((folder / "a.dcm").string()), std::string::npos) << message;
    for (const std::string& reason : reasons) EXPECT_NE(message.find(reason), std::string::npos) << message;
    for (const char* secret : {patient_name, patient_id, study_uid, source_uid})
      EXPECT_EQ(message.find(secret), std::string::npos) << message;
  }
};

TEST(DicomSupport, FilesAreRefusedByABuildWithoutIt) {
  if (dicom_support().rfind("yes", 0) == 0) GTEST_SKIP() << "this build has DCMTK";
  const TemporaryFolder folder;
  write_text(folder / "a", dicom_file(dicom_image(width, height, picture())));
  const std::string message = message_of<Error>([&] { read_raw(folder / "a"); });
  EXPECT_NE(message.find("libdcmtk-dev"), std::string::npos) << message;
}

TEST_F(Dicom, GreysInEveryUncompressedSyntax) {
  const DicomItem dataset = dicom_image(width, height, picture());
  for (const char* syntax : {explicit_little, implicit_little, explicit_big, deflated}) {
    SCOPED_TRACE(syntax);
    DicomItem here = dataset;
    if (syntax == std::string(explicit_big)) here.elements[0x7fe00010].vr = "OB";
    const RawImage image = read(dicom_file(here, syntax));
    EXPECT_EQ(image.width, width);
    EXPECT_EQ(image.height, height);
    EXPECT_EQ(image.channels, 1);
    EXPECT_EQ(image.bits, 8);
    EXPECT_EQ(image.significant_bits, 8);
    EXPECT_EQ(image.samples, numbers(picture()));
    EXPECT_EQ(image.mm_per_row, 0);
    EXPECT_EQ(image.region.width, 0);
  }
}

TEST_F(Dicom, WhatAFileHoldsDecidesNotItsName) {
  const DicomItem dataset = dicom_image(width, height, picture());
  write_text(folder / "1.2.840.55", dicom_file(dataset));
  EXPECT_TRUE(begins_as_dicom(folder / "1.2.840.55"));
  EXPECT_EQ(read_raw(folder / "1.2.840.55").samples, numbers(picture()));
  // As the 1990s wrote them: no preamble, no meta header. Then the name must say it.
  for (const char* name : {"old.dcm", "OLD.DICOM"}) {
    write_text(folder / name, dataset.encoded(false));
    EXPECT_FALSE(begins_as_dicom(folder / name));
    EXPECT_EQ(read_raw(folder / name).samples, numbers(picture()));
  }
  write_png(folder / "png.dcm", Grey{2, 1, {7, 9}});
  EXPECT_EQ(read_raw(folder / "png.dcm").samples, (std::vector<std::uint16_t>{7, 9}));
  EXPECT_FALSE(begins_as_dicom(folder / "missing"));
  EXPECT_FALSE(begins_as_dicom(folder.path()));
}

TEST_F(Dicom, Monochrome1IsInverted) {
  DicomItem dataset = dicom_image(width, height, picture());
  dataset.text(0x00280004, "CS", "MONOCHROME1");
  std::vector<std::uint16_t> expected = numbers(picture());
  for (std::uint16_t& value : expected) value = static_cast<std::uint16_t>(255 - value);
  EXPECT_EQ(read(dataset).samples, expected);
  dataset.text(0x20500020, "CS", "INVERSE");  // says the same once more
  EXPECT_EQ(read(dataset).samples, expected);
}

DicomItem colour_image(const char* photometric, const std::string& pixels, int planar) {
  DicomItem dataset = dicom_image(width, height, pixels);
  dataset.elements.erase(0x00280008);
  dataset.us(0x00280002, 3).text(0x00280004, "CS", photometric).us(0x00280006, planar);
  return dataset;
}

TEST_F(Dicom, RgbByPixelAndByPlane) {
  const std::string pixels = picture(3 * width * height);
  const RawImage image = read(colour_image("RGB", pixels, 0));
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.samples, numbers(pixels));
  std::string planes;
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = c; i < pixels.size(); i += 3) planes += pixels[i];
  EXPECT_EQ(read(colour_image("RGB", planes, 1)).samples, numbers(pixels));
}

/// PS3.3, C.7.6.3.1.2: YBR_FULL to R, G, B, clamped.
std::vector<double> rgb_of(double y, double cb, double cr) {
  const double r = y + 1.402 * (cr - 128), g = y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128),
               b = y + 1.772 * (cb - 128);
  return {std::clamp(r, 0.0, 255.0), std::clamp(g, 0.0, 255.0), std::clamp(b, 0.0, 255.0)};
}

TEST_F(Dicom, YbrBecomesRgb) {
  const std::string pixels = picture(3 * 8 * height, 11);
  const auto value = [&](std::size_t i) { return static_cast<double>(static_cast<unsigned char>(pixels[i])); };
  const auto expect = [&](const RawImage& image, auto&& ybr) {
    ASSERT_EQ(image.samples.size(), 3u * 8 * height);
    for (std::size_t i = 0; i < 8 * height; ++i) {
      const std::array<double, 3> in = ybr(i);
      const std::vector<double> rgb = rgb_of(in[0], in[1], in[2]);
      for (std::size_t c = 0; c < 3; ++c) EXPECT_EQ(image.samples[3 * i + c], std::lround(rgb[c])) << i;
    }
  };
  DicomItem full = colour_image("YBR_FULL", pixels, 0);
  full.us(0x00280011, 8);
  expect(read(full), [&](std::size_t i) { return std::array{value(3 * i), value(3 * i + 1), value(3 * i + 2)}; });
  // Two pixels are Y, Y, Cb, Cr.
  DicomItem half = colour_image("YBR_FULL_422", pixels.substr(0, 2 * 8 * height), 0);
  half.us(0x00280011, 8);
  expect(read(half), [&](std::size_t i) {
    const std::size_t pair = i / 2 * 4;
    return std::array{value(pair + i % 2), value(pair + 2), value(pair + 3)};
  });
}

TEST_F(Dicom, PalettesBecomeRgb) {
  const std::string indices = picture(width * height, 1);  // 3 to 37, of 36 colours
  for (const int bits : {8, 16}) {
    SCOPED_TRACE(bits);
    DicomItem dataset = dicom_image(width, height, indices);
    dataset.text(0x00280004, "CS", "PALETTE COLOR");
    std::vector<std::uint16_t> expected;
    for (std::uint32_t c = 0; c < 3; ++c) {
      dataset.bytes(
          0x00281101 + c, "US",
          DicomItem::little(36, 2) + DicomItem::little(0, 2) + DicomItem::little(static_cast<unsigned>(bits), 2));
      std::string table;
      for (unsigned i = 0; i < 36; ++i) table += DicomItem::little(bits == 8 ? 5 * i + c : (5 * i + c) * 257, 2);
      dataset.bytes(0x00281201 + c, "OW", table);
    }
    for (const std::uint16_t index : numbers(indices))
      for (int c = 0; c < 3; ++c) expected.push_back(static_cast<std::uint16_t>(5 * std::min<int>(index, 35) + c));
    const RawImage image = read(dataset);
    EXPECT_EQ(image.bits, 8);
    EXPECT_EQ(image.samples, expected);
  }
}

/// Greys of 12 of 16 bits.
std::vector<std::uint16_t> deep_greys() {
  std::vector<std::uint16_t> values;
  for (unsigned i = 0; i < width * height; ++i) values.push_back(static_cast<std::uint16_t>((i * 117 + 5) & 4095));
  return values;
}

DicomItem deep_image(const std::vector<std::uint16_t>& values, bool is_signed = false) {
  std::string pixels;
  for (const std::uint16_t value : values) pixels += DicomItem::little(value, 2);
  DicomItem dataset = dicom_image(width, height, pixels);
  dataset.elements.erase(0x00280008);
  dataset.us(0x00280100, 16).us(0x00280101, 12).us(0x00280102, 11).us(0x00280103, is_signed ? 1 : 0);
  dataset.elements[0x7fe00010].vr = "OW";
  return dataset;
}

TEST_F(Dicom, TwelveBitsOfSixteenStayTwelve) {
  const std::vector<std::uint16_t> values = deep_greys();
  DicomItem dataset = deep_image(values);
  for (const char* syntax : {explicit_little, implicit_little, explicit_big}) {
    const RawImage image = read(dicom_file(dataset, syntax));
    EXPECT_EQ(image.bits, 12);
    EXPECT_EQ(image.significant_bits, 12);
    EXPECT_EQ(image.samples, values);
  }
  dataset.text(0x00281052, "DS", "-1000").text(0x00281053, "DS", "2.5");  // no window: nothing to rescale for
  EXPECT_EQ(read(dataset).samples, values);
  std::vector<std::uint16_t> shifted;
  for (const std::uint16_t value : values) shifted.push_back(value ^ 2048);
  EXPECT_EQ(read(deep_image(values, true)).samples, shifted);
}

TEST_F(Dicom, AWindowIsAppliedToDeepGreys) {
  const std::vector<std::uint16_t> values = deep_greys();
  DicomItem dataset = deep_image(values);
  dataset.text(0x00281050, "DS", "1000\\9").text(0x00281051, "DS", "800\\9");  // the first of two
  const auto expect = [&](const RawImage& image, double slope, double intercept) {
    EXPECT_EQ(image.bits, 8);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double x = values[i] * slope + intercept;  // PS3.3, C.11.2.1.2
      EXPECT_NEAR(image.samples[i], std::clamp(((x - 999.5) / 799 + 0.5) * 255, 0.0, 255.0), 1) << values[i];
    }
  };
  expect(read(dataset), 1, 0);
  dataset.text(0x00281052, "DS", "-1000").text(0x00281053, "DS", "2");
  expect(read(dataset), 2, -1000);
  DicomItem shallow = dicom_image(width, height, picture());
  shallow.text(0x00281050, "DS", "50").text(0x00281051, "DS", "10");
  EXPECT_EQ(read(shallow).samples, numbers(picture())) << "8 bits are as the file has them";
}

TEST_F(Dicom, FramesOfALoop) {
  const DicomItem dataset = dicom_image(width, height, picture(4 * width * height));
  write_text(folder / "a.dcm", dicom_file(dataset));
  EXPECT_EQ(count_dicom_frames(folder / "a.dcm"), 4);
  for (int frame = 1; frame <= 4; ++frame) {
    const auto begin = static_cast<std::size_t>((frame - 1) * width * height);
    EXPECT_EQ(read_dicom(folder / "a.dcm", frame).samples,
              numbers(picture(4 * width * height).substr(begin, width * height)));
  }
  expect_refused(dicom_file(dataset), {"4 frames", "dataset"});
  const std::string message = message_of<Error>([&] { read_dicom(folder / "a.dcm", 5); });
  EXPECT_NE(message.find("has 4 frames, but no frame 5"), std::string::npos) << message;
  write_text(folder / "a.dcm", dicom_file(dicom_image(width, height, picture(width * height))));
  const std::string single = message_of<Error>([&] { read_dicom(folder / "a.dcm", 2); });
  EXPECT_NE(single.find("has 1 frame, but no frame 2"), std::string::npos) << single;
}

/// PS3.5, annex G, in runs of literals: segments are planes, high bytes first.
std::string rle_frame(const std::vector<std::string>& segments) {
  std::string head = DicomItem::little(segments.size(), 4), body;
  for (const std::string& segment : segments) {
    head += DicomItem::little(64 + body.size(), 4);
    for (std::size_t i = 0; i < segment.size(); i += 128) {
      const std::string run = segment.substr(i, 128);
      body += static_cast<char>(run.size() - 1) + run;
    }
    if (body.size() % 2 != 0) body += '\x80';
  }
  head.resize(64, '\0');
  return head + body;
}

TEST_F(Dicom, RunLengths) {
  const std::string frames = picture(2 * width * height);
  DicomItem loop = dicom_image(width, height, frames);
  loop.fragments({rle_frame({frames.substr(0, width * height)}), rle_frame({frames.substr(width * height)})});
  EXPECT_EQ(read(dicom_file(loop, rle), 1).samples, numbers(frames.substr(0, width * height)));
  EXPECT_EQ(read(dicom_file(loop, rle), 2).samples, numbers(frames.substr(width * height)));

  const std::string pixels = picture(3 * width * height);
  std::vector<std::string> planes(3);
  for (std::size_t i = 0; i < pixels.size(); ++i) planes[i % 3] += pixels[i];
  DicomItem colour = colour_image("RGB", pixels, 0);
  colour.fragments({rle_frame(planes)});
  EXPECT_EQ(read(dicom_file(colour, rle)).samples, numbers(pixels));

  const std::vector<std::uint16_t> values = deep_greys();
  std::vector<std::string> halves(2);
  for (const std::uint16_t value : values) {
    halves[0] += static_cast<char>(value >> 8);
    halves[1] += static_cast<char>(value & 255);
  }
  DicomItem deep = deep_image(values);
  deep.fragments({rle_frame(halves)});
  EXPECT_EQ(read(dicom_file(deep, rle)).samples, values);
}

TEST_F(Dicom, BaselineJpegIsReadAsTheJpegFileIs) {
  const fs::path golden = fs::path(source_folder()) / "tests/golden/images";
  for (const char* name : {"grey.jpg", "colour_444.jpg"}) {
    SCOPED_TRACE(name);
    const RawImage expected = read_raw(golden / name);
    DicomItem dataset = dicom_image(expected.width, expected.height, "");
    if (expected.channels == 3) dataset.us(0x00280002, 3).text(0x00280004, "CS", "YBR_FULL_422").us(0x00280006, 0);
    dataset.fragments({read_text(golden / name)});
    const RawImage image = read(dicom_file(dataset, jpeg_baseline));
    ASSERT_EQ(image.samples.size(), expected.samples.size());
    for (std::size_t i = 0; i < image.samples.size(); ++i)
      EXPECT_NEAR(image.samples[i], expected.samples[i], 3) << i;  // the freedom of decoders (ImageFile tests)
  }
}

TEST_F(Dicom, AJpegThatEndsEarlyIsDamaged) {
  const std::string whole = read_text(fs::path(source_folder()) / "tests/golden/images/grey.jpg");
  for (const std::size_t length : {whole.size() - 2, whole.size() / 2}) {
    DicomItem dataset = dicom_image(37, 29, "");
    dataset.fragments({whole.substr(0, length)});
    expect_refused(dicom_file(dataset, jpeg_baseline), {"damaged", "last pixel"});
  }
}

// DCMTK 3.6.7 looks for the frame's header behind this marker for ever.
TEST_F(Dicom, TheMarkerTemBeforeAFrameIsRefused) {
  const std::string whole = read_text(fs::path(source_folder()) / "tests/golden/images/grey.jpg");
  for (const std::size_t at : {std::size_t{2}, whole.find("\xff\xc0")}) {
    DicomItem dataset = dicom_image(37, 29, "");
    dataset.fragments({std::string(whole).insert(at, "\xff\x01")});
    expect_refused(dicom_file(dataset, jpeg_baseline), {"damaged", "TEM"});
  }
}

/// By one of DCMTK's tools; "" if it is not installed.
std::string encoded_by(const TemporaryFolder& folder, const std::string& bytes, const std::vector<std::string>& tool) {
  write_text(folder / "in.dcm", bytes);
  std::vector<std::string> command = tool;
  command.insert(command.end(), {folder / "in.dcm", folder / "out.dcm"});
  const Finished finished = dicom_tool(command);
  EXPECT_TRUE(finished.exit_code == 0 || finished.exit_code == 127) << finished.err;
  return finished.exit_code == 0 ? read_text(folder / "out.dcm") : "";
}

TEST_F(Dicom, WhatDcmtkEncodes) {
  const std::vector<std::uint16_t> values = deep_greys();
  const std::string grey = dicom_file(dicom_image(width, height, picture())), deep = dicom_file(deep_image(values)),
                    loop = dicom_file(dicom_image(width, height, picture(3 * width * height))),
                    colour = dicom_file(colour_image("RGB", picture(3 * width * height), 0));
  if (encoded_by(folder, grey, {"dcmcjpeg", "+e1"}).empty()) GTEST_SKIP() << "needs dcmcjpeg (package dcmtk)";
  for (const std::vector<std::string>& tool :
       {std::vector<std::string>{"dcmcjpeg", "+e1"}, {"dcmcjpeg", "+el"}, {"dcmcjpls", "+el"}, {"dcmcrle"}}) {
    SCOPED_TRACE(tool.front() + " " + tool.back());
    EXPECT_EQ(read(encoded_by(folder, grey, tool)).samples, numbers(picture()));
    EXPECT_EQ(read(encoded_by(folder, deep, tool)).samples, values);
    const std::string frames = encoded_by(folder, loop, tool);
    EXPECT_EQ(read(frames, 3).samples, numbers(picture(3 * width * height).substr(2 * width * height)));
    EXPECT_EQ(read(encoded_by(folder, colour, tool)).samples, numbers(picture(3 * width * height)));
  }
  const RawImage extended = read(encoded_by(folder, deep, {"dcmcjpeg", "+ee", "+q", "100"}));
  EXPECT_EQ(extended.bits, 12);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(extended.samples[i], values[i], 8);
}

TEST_F(Dicom, SpacingOfPixels) {
  DicomItem dataset = dicom_image(width, height, picture());
  const auto expect = [&](double row, double column) {
    const RawImage image = read(dataset);
    EXPECT_DOUBLE_EQ(image.mm_per_row, row);
    EXPECT_DOUBLE_EQ(image.mm_per_column, column);
  };
  for (const char* nothing : {"", "0\\0", "0.1", "-1\\1", "nan\\1", "a\\b"}) {
    SCOPED_TRACE(nothing);
    dataset.text(0x00280030, "DS", nothing);
    expect(0, 0);
  }
  dataset.text(0x00181164, "DS", "0.5\\0.25");
  expect(0.5, 0.25);
  dataset.text(0x00280030, "DS", "0.3\\0.2");
  expect(0.3, 0.2);
  const DicomItem one = dicom_region(0, 0, 3, 4, 0.01, -0.02), other = dicom_region(4, 0, 6, 4, 0.01, 0.02);
  dataset.sequence(regions_tag, {one, other});
  expect(0.2, 0.1);
  dataset.sequence(regions_tag, {one, dicom_region(4, 0, 6, 4, 0.03, 0.02)});
  expect(0.3, 0.2);
  DicomItem seconds = one;
  seconds.us(0x00186024, 4);
  dataset.sequence(regions_tag, {seconds});
  expect(0.3, 0.2);
}

TEST_F(Dicom, TheOnly2dRegionIsThePicture) {
  DicomItem dataset = dicom_image(width, height, picture());
  const auto region = [&](const std::vector<DicomItem>& regions) {
    dataset.sequence(regions_tag, regions);
    const Region place = read(dataset).region;
    return std::vector<int>{place.left, place.top, place.width, place.height};
  };
  const std::vector<int> none = {0, 0, 0, 0};
  const DicomItem one = dicom_region(1, 2, 5, 3, 0.1, 0.1);
  DicomItem doppler = dicom_region(0, 0, 6, 1, 0.1, 0.1), incomplete = one;
  doppler.us(0x00186012, 3);
  incomplete.elements.erase(0x0018601c);
  EXPECT_EQ(region({one}), (std::vector<int>{1, 2, 5, 2}));
  EXPECT_EQ(region({doppler, one}), (std::vector<int>{1, 2, 5, 2}));
  EXPECT_EQ(region({one, one}), none) << "which of them?";
  EXPECT_EQ(region({doppler}), none);
  EXPECT_EQ(region({incomplete}), none);
  EXPECT_EQ(region({dicom_region(0, 0, 6, 4, 0.1, 0.1)}), none) << "all of it";
  EXPECT_EQ(region({dicom_region(0, 0, width, height, 0.1, 0.1)}), none) << "one pixel beyond";
  EXPECT_EQ(region({dicom_region(2, 0, 4000000000u, 2, 0.1, 0.1)}), (std::vector<int>{2, 0, 5, 3}));
  EXPECT_EQ(region({dicom_region(5, 3, 1, 2, 0.1, 0.1)}), none);
  EXPECT_EQ(region({dicom_region(100, 0, 200, 4, 0.1, 0.1)}), none);
  EXPECT_EQ(crop(Grey{3, 2, {1, 2, 3, 4, 5, 6}}, {1, 0, 2, 2}).pixels, (std::vector<std::uint8_t>{2, 3, 5, 6}));
}

TEST_F(Dicom, RefusalsAreTrue) {
  DicomItem dataset = dicom_image(width, height, picture());
  DicomItem wrapped = dataset;
  wrapped.fragments({"not decoded anyway"});
  expect_refused(dicom_file(wrapped, jpeg_2000), {"JPEG 2000"});
  expect_refused(dicom_file(wrapped, mpeg_4), {"MPEG-4"});
  expect_refused(dicom_file(wrapped, "1.2.840.10008.1.2.4.201"), {"1.2.840.10008.1.2.4.201"});
  DicomItem report = dataset;
  report.elements.erase(0x7fe00010);
  report.text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.88.11");
  expect_refused(dicom_file(report), {"without an image", "SRStorage"});
  EXPECT_EQ(count_dicom_frames(folder / "a.dcm"), 0);
  expect_refused("Text, however long it goes on, is no DICOM whatever its name says.", {"named as DICOM"});
  DicomItem floats = dataset;
  floats.us(0x00280100, 32).us(0x00280101, 32).us(0x00280102, 31);
  expect_refused(dicom_file(floats), {"32 bits"});
}

TEST_F(Dicom, ClaimsThatTheBytesDoNotHold) {
  DicomItem dataset = dicom_image(width, height, picture());
  const auto claim = [&](int rows, int columns, const char* frames) {
    DicomItem here = dataset;
    here.us(0x00280010, rows).us(0x00280011, columns).text(0x00280008, "IS", frames);
    return here;
  };
  expect_refused(dicom_file(claim(0, 7, "1")), {"damaged", "7 x 0"});
  expect_refused(dicom_file(claim(65535, 65535, "1")), {"limit of 268435456"});
  expect_refused(dicom_file(claim(6, 7, "1")), {"damaged", "7 x 6", "hold"});
  expect_refused(dicom_file(claim(5, 7, "2")), {"damaged", "2 frames", "hold"});
  expect_refused(dicom_file(claim(5, 7, "2000000000")), {"damaged", "hold"});
  const std::string frame = rle_frame({picture()});
  for (const auto& [rows, frames] : {std::pair{5, "2"}, {5000, "1"}}) {
    DicomItem here = claim(rows, 7, frames);
    here.fragments({frame});
    expect_refused(dicom_file(here, rle), {"damaged", "hold"});
  }
}

// What fuzzing found: DCMTK 3.6.7 crashed on the first and asked for 4 GB of memory for the second.
TEST_F(Dicom, PlacesAndLengthsBeyondTheFile) {
  std::string frame = rle_frame({picture()});
  for (const std::uint32_t offset : {0u, 63u, 65535u, 0x7fffffffu, 0xffffff00u}) {
    DicomItem dataset = dicom_image(width, height, picture());
    frame.replace(4, 4, DicomItem::little(offset, 4));
    dataset.fragments({frame});
    expect_refused(dicom_file(dataset, rle), {"damaged", "run lengths"});
  }
  expect_refused(DicomItem::little(2, 4) + DicomItem::little(0xfc7f0000, 4) + std::string("\350 {\272\0\0\0\0", 8),
                 {"named as DICOM"});
}

TEST_F(Dicom, CutFilesAreDamaged) {
  DicomItem dataset = dicom_image(width, height, picture()), packed = dataset;
  packed.fragments({rle_frame({picture()})});
  for (const std::string& whole : {dicom_file(dataset), dicom_file(packed, rle)})
    for (std::size_t length = 133; length < whole.size(); length += 1 + whole.size() / 60) {
      SCOPED_TRACE(length);
      // Between two attributes a file may end; then the image is what is missing.
      write_text(folder / "a.dcm", whole.substr(0, length));
      const std::string message = message_of<Error>([&] { read_raw(folder / "a.dcm"); });
      EXPECT_TRUE(message.find("damaged") != std::string::npos || message.find("without an image") != std::string::npos)
          << message;
    }
}

// Whatever is in a file: an image or one line, no crash (the sanitizers see this test too).
TEST_F(Dicom, ScrambledFilesAreAnImageOrAnError) {
  DicomItem grey = dicom_image(width, height, picture()), packed = grey;
  grey.sequence(regions_tag, {dicom_region(0, 0, 3, 4, 0.01, 0.02)});
  packed.fragments({rle_frame({picture()})});
  Random random(3);
  int images = 0, errors = 0;
  for (const std::string& whole : {dicom_file(grey), dicom_file(packed, rle), dicom_file(deep_image(deep_greys())),
                                   dicom_file(colour_image("RGB", picture(3 * width * height), 0))})
    for (int i = 0; i < 100; ++i) {
      std::string bytes = whole;
      for (std::uint32_t changes = 1 + random.below(3); changes > 0; --changes)
        bytes[132 + random.below(static_cast<std::uint32_t>(bytes.size()) - 132)] =
            static_cast<char>(random.below(256));
      try {
        const RawImage image = read(bytes);
        EXPECT_EQ(image.samples.size(), static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) *
                                            static_cast<std::size_t>(image.channels));
        ++images;
      } catch (const Error& error) {
        const std::string message = error.what();
        EXPECT_EQ(message.find('\n'), std::string::npos) << message;
        for (const char* secret : {patient_name, patient_id, study_uid})
          EXPECT_EQ(message.find(secret), std::string::npos) << message;
        ++errors;
      }
    }
  EXPECT_GT(images, 50);
  EXPECT_GT(errors, 20);
}

struct DicomMask : Dicom {
  const Grey mask{width, height, [] {
                    std::vector<std::uint8_t> pixels(width * height, 0);
                    for (const std::size_t i : {9u, 10u, 17u}) pixels[i] = 255;
                    return pixels;
                  }()};
  void write(const DicomItem& dataset, bool anonymous) const {
    write_text(folder / "source.dcm", dicom_file(dataset));
    DicomMaskSource source{folder / "source.dcm", 1, new_dicom_uids(), 0.25, 0.5, anonymous};
    write_dicom_mask(folder / "mask.dcm", mask, source);
  }
  std::string dump() const {
    const Finished finished = dicom_tool({"dcmdump", "+L", folder / "mask.dcm"});
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(finished.err, "");
    return finished.out;
  }
};

TEST_F(DicomMask, IsAnImageOfTheSameStudy) {
  write(dicom_image(width, height, picture()), false);
  const RawImage image = read_dicom(folder / "mask.dcm");
  EXPECT_EQ(luma_of(image).pixels, mask.pixels);
  EXPECT_DOUBLE_EQ(image.mm_per_row, 0.5);
  EXPECT_DOUBLE_EQ(image.mm_per_column, 0.25);
  EXPECT_EQ(count_dicom_frames(folder / "mask.dcm"), 0) << "a mask of ours is nothing to predict on";
  const std::string bytes = read_text(folder / "mask.dcm");
  for (const char* copied : {patient_name, patient_id, study_uid, source_uid, "ACC-4712", "20260131"})
    EXPECT_NE(bytes.find(copied), std::string::npos) << copied;
}

TEST_F(DicomMask, SaysNothingIfAnonymous) {
  DicomItem dataset = dicom_image(width, height, picture());
  dataset.text(0x00081030, "LO", "Breast of Jane");
  write(dataset, true);
  EXPECT_EQ(luma_of(read_dicom(folder / "mask.dcm")).pixels, mask.pixels);
  const std::string bytes = read_text(folder / "mask.dcm");
  for (const char* left_out : {patient_name, patient_id, study_uid, source_uid, "ACC-4712", "20260131", "Jane"})
    EXPECT_EQ(bytes.find(left_out), std::string::npos) << left_out;
}

TEST_F(DicomMask, DcmtkAcceptsIt) {
  if (dicom_tool({"dcmdump", "--version"}).exit_code != 0) GTEST_SKIP() << "needs dcmdump (package dcmtk)";
  for (const bool anonymous : {false, true}) {
    SCOPED_TRACE(anonymous);
    write(dicom_image(width, height, picture()), anonymous);
    const std::string dumped = dump();
    for (const char* word : {"SecondaryCaptureImageStorage", "LittleEndianExplicit", "(0010,0010) PN", "(0010,0020) LO",
                             "(0010,0030) DA", "(0010,0040) CS", "(0020,000d) UI", "(0020,000e) UI", "(0020,0010) SH",
                             "(0008,0050) SH", "(0008,0090) PN", "[DERIVED\\SECONDARY]", "[0.5\\0.25]"})
      EXPECT_NE(dumped.find(word), std::string::npos) << word << "\n" << dumped;
    EXPECT_EQ(dumped.find(patient_name) == std::string::npos, anonymous);
    const Finished picture = dicom_tool({"dcm2pnm", "--write-raw-pnm", folder / "mask.dcm", folder / "mask.pgm"});
    EXPECT_EQ(picture.exit_code, 0) << picture.err;
    const std::string pgm = read_text(folder / "mask.pgm");
    EXPECT_EQ(pgm.substr(pgm.size() - mask.pixels.size()), std::string(mask.pixels.begin(), mask.pixels.end()));
  }
}

TEST_F(DicomMask, OfAFileThatSaysLittle) {
  DicomItem bare = dicom_image(width, height, picture());
  for (const std::uint32_t tag : {0x00080016u, 0x00080018u, 0x0020000du, 0x00080060u, 0x00100010u})
    bare.elements.erase(tag);
  write(bare, false);
  EXPECT_EQ(luma_of(read_dicom(folder / "mask.dcm")).pixels, mask.pixels);
  EXPECT_NE(new_dicom_uids().study, new_dicom_uids().study);
  EXPECT_EQ(new_dicom_uids().series.rfind("1.", 0), 0u);
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
