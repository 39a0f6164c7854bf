// Masks as people have them: the same lesion in every kind of file.
#include "common/data/mask_rule.h"

#include "common/core/error.h"
#include "common/data/sample.h"
#include "support/files.h"
#include "support/png_kinds.h"
#include "support/png_reader.h"

namespace attnunet::data {
namespace TEST_FILE {

using Pixels = std::vector<std::uint8_t>;
using Bytes = std::vector<unsigned char>;

// The lesion in all of these: a block of pixels, of which some are label 2 where there are labels.
constexpr int width = 8, height = 6;
const Pixels lesion{0, 0, 0, 0, 0, 0, 0, 0,  //
                    0, 0, 1, 1, 1, 1, 0, 0,  //
                    0, 1, 1, 1, 1, 1, 0, 0,  //
                    0, 1, 1, 1, 1, 1, 1, 0,  //
                    0, 0, 1, 1, 1, 0, 0, 0,  //
                    0, 0, 0, 0, 0, 0, 0, 0};

bool is_label_2(std::size_t i) {
  return lesion[i] != 0 && i % width >= 4;
}

/// The bytes of every pixel in its order.
template <class BytesOf>
Bytes each_pixel(BytesOf bytes_of) {
  Bytes raw;
  for (std::size_t i = 0; i < lesion.size(); ++i)
    for (const int byte : bytes_of(i)) raw.push_back(static_cast<unsigned char>(byte));
  return raw;
}

using List = std::vector<int>;

class MaskRuleTest : public ::testing::Test {
 protected:
  TemporaryFolder folder;
  const std::filesystem::path path = folder / "benign/a_mask.png";

  void write(const Bytes& raw, LodePNGColorType type, unsigned depth, const PaletteColours& palette = {}) const {
    write_png_kind(path, raw, width, height, type, depth, palette);
  }
  LesionMask read(const std::string& rule = "auto") const {
    return read_lesion(read_png(path), parse_mask_rule(rule), path);
  }
  void expect_lesion(MaskReading reading, const std::string& what) const {
    const LesionMask found = read();
    EXPECT_EQ(found.mask.pixels, lesion) << what;
    EXPECT_EQ(found.reading, reading) << what << ": " << text_of(found.reading);
  }
  void expect_refused(const std::string& reason, const std::string& rule = "auto") const {
    const std::string message = message_of<Error>([&] { read(rule); });
    for (const std::string& part : {path.string(), reason, std::string("--mask-rule")})
      EXPECT_NE(message.find(part), std::string::npos) << message;
  }
};

TEST_F(MaskRuleTest, EveryKindMarksTheSameLesion) {
  const auto grey = [](int label_1, int label_2) {
    return each_pixel([=](std::size_t i) { return List{lesion[i] == 0 ? 0 : is_label_2(i) ? label_2 : label_1}; });
  };
  const auto deep = [](int value) {
    return each_pixel([=](std::size_t i) { return List{lesion[i] * value >> 8, lesion[i] * value & 255}; });
  };
  const auto rgb = [](int r, int g, int b) {
    return each_pixel([=](std::size_t i) { return List{lesion[i] * r, lesion[i] * g, lesion[i] * b}; });
  };
  write(grey(255, 255), LCT_GREY, 8);
  expect_lesion(MaskReading::luma, "0 and 255");
  write(grey(1, 1), LCT_GREY, 8);
  expect_lesion(MaskReading::labels, "0 and 1");
  write(grey(1, 2), LCT_GREY, 8);
  expect_lesion(MaskReading::labels, "labels 1 and 2");
  write(grey(64, 127), LCT_GREY, 8);
  expect_lesion(MaskReading::labels, "0, 64 and 127");
  write(deep(255), LCT_GREY, 16);
  expect_lesion(MaskReading::labels, "255 in 16 bits");
  write(deep(1), LCT_GREY, 16);
  expect_lesion(MaskReading::labels, "1 in 16 bits");
  write(deep(4095), LCT_GREY, 16);
  expect_lesion(MaskReading::labels, "4095 in 16 bits");
  write(deep(65535), LCT_GREY, 16);
  expect_lesion(MaskReading::luma, "65535 in 16 bits");
  write(rgb(255, 255, 255), LCT_RGB, 8);
  expect_lesion(MaskReading::luma, "white RGB");
  write(rgb(1, 1, 1), LCT_RGB, 8);
  expect_lesion(MaskReading::labels, "RGB with label 1");
  write(rgb(255, 0, 0), LCT_RGB, 8);
  expect_lesion(MaskReading::colour, "red");
  write(rgb(0, 255, 0), LCT_RGB, 8);
  expect_lesion(MaskReading::luma, "green, whose luma is above 127");
  write(rgb(0, 0, 128), LCT_RGB, 8);
  expect_lesion(MaskReading::colour, "dark blue");
  write(each_pixel([](std::size_t i) { return List{lesion[i] * 255, 0, 0, 255}; }), LCT_RGBA, 8);
  expect_lesion(MaskReading::colour, "red, opaque");
  write(each_pixel([](std::size_t i) { return List{lesion[i] * 255, 0, 0, lesion[i] * 255}; }), LCT_RGBA, 8);
  expect_lesion(MaskReading::colour, "red on transparent black");
  write(each_pixel([](std::size_t i) { return List{0, 0, 0, lesion[i] * 255}; }), LCT_RGBA, 8);
  expect_lesion(MaskReading::alpha, "black, with the mask in alpha");
  write(each_pixel([](std::size_t i) { return List{255, lesion[i]}; }), LCT_GREY_ALPHA, 8);
  expect_lesion(MaskReading::alpha, "white, with 1 in alpha");

  const Bytes indices = grey(1, 2);
  write(indices, LCT_PALETTE, 8, {{0, 0, 0}, {128, 0, 0}, {0, 128, 0}});
  expect_lesion(MaskReading::palette, "palette");
  write(indices, LCT_PALETTE, 8, {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}});
  expect_lesion(MaskReading::palette, "palette without colours");
  write(indices, LCT_PALETTE, 8, {{0, 0, 0}, {255, 255, 255}, {200, 200, 200}});
  expect_lesion(MaskReading::luma, "palette of bright greys");
  write(each_pixel([](std::size_t i) { return List{lesion[i] == 0 ? 1 : 0}; }), LCT_PALETTE, 8,
        {{255, 0, 0}, {0, 0, 0}});
  expect_lesion(MaskReading::palette, "palette whose background is its second colour");
}

TEST_F(MaskRuleTest, FewerBitsAreBlackAndWhiteOrLabels) {
  write({0, 0b00111100, 0b01111100, 0b01111110, 0b00111000, 0}, LCT_GREY, 1);
  expect_lesion(MaskReading::luma, "1 bit");
  const auto four_bits = [](int label_1, int label_2) {
    Bytes raw;
    for (std::size_t i = 0; i < lesion.size(); i += 2) {
      const auto value = [&](std::size_t at) { return lesion[at] == 0 ? 0 : is_label_2(at) ? label_2 : label_1; };
      raw.push_back(static_cast<unsigned char>(value(i) << 4 | value(i + 1)));
    }
    return raw;
  };
  write(four_bits(15, 15), LCT_GREY, 4);
  expect_lesion(MaskReading::luma, "4 bits, black and white");
  write(four_bits(1, 2), LCT_GREY, 4);
  expect_lesion(MaskReading::labels, "4 bits, labels");
  write(four_bits(3, 15), LCT_GREY, 4);
  expect_refused("grey values from 3 to 15 of 4 bits, which may be labels or shades");
}

// BUSI: smooth edges and whatever else lies below the threshold are read as ever.
TEST_F(MaskRuleTest, EightBitGreyWithBrightValuesIsReadByLumaAbove127) {
  Bytes shades;
  for (int i = 0; i < width * height; ++i) shades.push_back(static_cast<unsigned char>(i * 255 / (width * height - 1)));
  write(shades, LCT_GREY, 8);
  EXPECT_EQ(read().reading, MaskReading::luma);
  for (std::size_t i = 0; i < shades.size(); ++i) EXPECT_EQ(read().mask.pixels[i], shades[i] > 127 ? 1 : 0);

  write(each_pixel([](std::size_t i) { return List{i == 0 ? 1 : i == 1 ? 128 : 0}; }), LCT_GREY, 8);
  EXPECT_EQ(read().reading, MaskReading::luma);
  EXPECT_EQ(read().mask.pixels[0], 0);
  EXPECT_EQ(read().mask.pixels[1], 1);
}

TEST_F(MaskRuleTest, SmoothEdgesInColourAndInSixteenBits) {
  // A ramp of 48 reds: above the middle is lesion.
  const auto red = [](std::size_t i) { return i < 32 ? 0 : static_cast<int>(200 + i); };
  write(each_pixel([&](std::size_t i) { return List{red(i), static_cast<int>(i) % 40, 0}; }), LCT_RGB, 8);
  EXPECT_EQ(read().reading, MaskReading::colour);
  for (std::size_t i = 0; i < lesion.size(); ++i) EXPECT_EQ(read().mask.pixels[i], i < 32 ? 0 : 1) << i;

  write(each_pixel([](std::size_t i) { return List{0, static_cast<int>(5 * i)}; }), LCT_GREY, 16);
  EXPECT_EQ(read().reading, MaskReading::low_byte);
  for (std::size_t i = 0; i < lesion.size(); ++i) EXPECT_EQ(read().mask.pixels[i], 5 * i > 127 ? 1 : 0) << i;
}

TEST_F(MaskRuleTest, EmptyMasksAreEmpty) {
  const Bytes black(static_cast<std::size_t>(width * height), 0);
  write(black, LCT_GREY, 8);
  EXPECT_EQ(read().reading, MaskReading::empty);
  write(black, LCT_PALETTE, 8, {{0, 0, 0}, {128, 0, 0}});
  EXPECT_EQ(read().reading, MaskReading::empty);
  write(Bytes(4 * black.size(), 0), LCT_RGBA, 8);
  EXPECT_EQ(read().reading, MaskReading::empty);
  write(each_pixel([](std::size_t) { return List{0, 0, 0, 255}; }), LCT_RGBA, 8);
  EXPECT_EQ(read().reading, MaskReading::empty);
}

TEST_F(MaskRuleTest, WhatMayBeReadInTwoWaysIsRefused) {
  write(each_pixel([](std::size_t i) { return List{static_cast<int>(i) + 60}; }), LCT_GREY, 8);
  expect_refused("has 48 grey values from 60 to 107 of 8 bits, too many for labels");
  write(each_pixel([](std::size_t i) { return List{static_cast<int>(i), 0}; }), LCT_GREY, 16);
  expect_refused("has 47 grey values from 256 to 12032 of 16 bits");
  write(each_pixel([](std::size_t i) {
          return List{static_cast<int>(5 * i), static_cast<int>(2 * i), 90};
        }),
        LCT_RGB, 8);
  expect_refused("many colours");
  write(each_pixel([](std::size_t i) { return List{255, lesion[i] == 0 ? 255 : 0, 0}; }), LCT_RGB, 8);
  expect_refused("no black");
  write(each_pixel([](std::size_t i) { return List{lesion[i]}; }), LCT_PALETTE, 8, {{70, 0, 80}, {250, 230, 30}});
  expect_refused("a palette without black");
  // Colours say the upper half, alpha the lesion.
  write(each_pixel([](std::size_t i) {
          const int upper = i < 24 ? 255 : 0;
          return List{upper, upper, upper, lesion[i] * 255};
        }),
        LCT_RGBA, 8);
  expect_refused("another in its alpha channel");
  RawImage jpeg = read_png(path);
  jpeg.alpha.clear();
  jpeg.channels = 1;
  jpeg.samples.assign(lesion.begin(), lesion.end());
  jpeg.lossy = true;
  EXPECT_NE(message_of<Error>([&] { read_lesion(jpeg, {}, path); }).find("JPEG"), std::string::npos);
}

// Read by luma, the darker labels would be lost without a word.
TEST_F(MaskRuleTest, LabelsBesideBrightOnesAreRefused) {
  const auto grey = [](int label_1, int label_2) {
    return each_pixel([=](std::size_t i) { return List{lesion[i] == 0 ? 0 : is_label_2(i) ? label_2 : label_1}; });
  };
  for (const auto& [label_1, label_2] : {std::pair{1, 255}, {255, 1}, {100, 200}, {127, 255}}) {
    write(grey(label_1, label_2), LCT_GREY, 8);
    expect_refused("has the grey values 0, " + std::to_string(std::min(label_1, label_2)) + " and " +
                   std::to_string(std::max(label_1, label_2)) + ", which may be labels or shades");
    EXPECT_EQ(read("nonzero").mask.pixels, lesion);
    EXPECT_EQ(read("labels:1,100,127,200,255").mask.pixels, lesion);
  }
  write(each_pixel([](std::size_t i) { return List{85 * (static_cast<int>(i) % width % 4)}; }), LCT_GREY, 8);
  EXPECT_EQ(read().reading, MaskReading::luma);  // one pixel wide, each between a darker and a brighter one
  write(each_pixel([](std::size_t i) { return List{lesion[i] == 0 ? 0 : 85 * (1 + static_cast<int>(i) % width % 3)}; }),
        LCT_GREY, 8);
  expect_refused("has the grey values 0, 85, 170 and 255");  // three labels in turn
  write(each_pixel([](std::size_t i) { return List{85 * (static_cast<int>(i) % width / 2)}; }), LCT_GREY, 8);
  expect_refused("has the grey values 0, 85, 170 and 255");
  // Many labels, and the border that tools mark with 255.
  write(each_pixel([](std::size_t i) { return List{i < 40 ? 9 - static_cast<int>(i / 4) : 255}; }), LCT_GREY, 8);
  expect_refused("has the grey values 0, 1, 2, 3, ... and 255");
  write(each_pixel([](std::size_t i) {
          const int value = lesion[i] == 0 ? 0 : is_label_2(i) ? 255 : 1;
          return List{value, value, value};
        }),
        LCT_RGB, 8);
  expect_refused("0, 1 and 255");
}

// Some tools count the background as 1.
TEST_F(MaskRuleTest, LabelsWithoutAZeroAreRefused) {
  write(each_pixel([](std::size_t i) { return List{1 + lesion[i]}; }), LCT_GREY, 8);
  expect_refused("has grey values from 1 to 2 of 8 bits, which may be labels, but no 0");
  EXPECT_EQ(read("labels:2").mask.pixels, lesion);
  write(each_pixel([](std::size_t) { return List{1}; }), LCT_GREY, 8);
  expect_refused("no 0");
  write(Bytes(lesion.size() / 2, 0x11), LCT_GREY, 4);
  expect_refused("no 0");
  write(each_pixel([](std::size_t) { return List{255}; }), LCT_GREY, 8);
  EXPECT_EQ(read().reading, MaskReading::luma);
}

TEST_F(MaskRuleTest, SmoothEdgesOfFewValuesAreNoLabels) {
  const auto shown = [](std::size_t i) { return static_cast<int>(i) % width; };
  write(each_pixel([&](std::size_t i) { return List{shown(i) < 3 ? 0 : shown(i) == 3 ? 100 : 255}; }), LCT_GREY, 8);
  EXPECT_EQ(read().reading, MaskReading::luma);
  for (std::size_t i = 0; i < lesion.size(); ++i) EXPECT_EQ(read().mask.pixels[i], shown(i) > 3 ? 1 : 0) << i;
  // Two values, whatever they are: the darker one is the background.
  write(each_pixel([&](std::size_t i) { return List{lesion[i] == 0 ? 16 : 235}; }), LCT_GREY, 8);
  expect_lesion(MaskReading::luma, "16 and 235");
  // JPEG keeps no labels.
  RawImage jpeg = read_png(path);
  jpeg.lossy = true;
  for (std::size_t i = 0; i < lesion.size(); ++i)
    jpeg.samples[i] = static_cast<std::uint16_t>(lesion[i] != 0 ? 255 : shown(i) < 2 ? 1 : 0);
  EXPECT_EQ(read_lesion(jpeg, {}, path).mask.pixels, lesion);
}

TEST_F(MaskRuleTest, OptionsDecide) {
  write(each_pixel([](std::size_t i) { return List{static_cast<int>(i) + 60}; }), LCT_GREY, 8);
  const auto count = [&](const std::string& rule) {
    const Pixels pixels = read(rule).mask.pixels;
    return std::count(pixels.begin(), pixels.end(), 1);
  };
  EXPECT_EQ(count("above:99"), 8);
  EXPECT_EQ(count("nonzero"), 48);
  EXPECT_EQ(count("labels:60,107,200"), 2);
  write(each_pixel([](std::size_t i) {
          return List{lesion[i] == 0 ? 0 : is_label_2(i) ? 2 : 1};
        }),
        LCT_PALETTE, 8, {{0, 0, 0}, {128, 0, 0}, {0, 128, 0}});
  EXPECT_EQ(read("nonzero").mask.pixels, lesion);
  const Pixels of_label_2 = read("labels:2").mask.pixels;
  for (std::size_t i = 0; i < lesion.size(); ++i) EXPECT_EQ(of_label_2[i], is_label_2(i) ? 1 : 0) << i;
  EXPECT_EQ(count("above:60"), std::count(of_label_2.begin(), of_label_2.end(), 1)) << "green is brighter than red";
  write(each_pixel([](std::size_t i) { return List{1, lesion[i] * 7}; }), LCT_GREY, 16);
  EXPECT_EQ(count("above:262"), std::count(lesion.begin(), lesion.end(), 1))
      << "16-bit values are compared as they are";
  write(each_pixel([](std::size_t i) { return List{lesion[i] * 9, 0, 0}; }), LCT_RGB, 8);
  EXPECT_EQ(read("nonzero").mask.pixels, lesion);
  expect_refused("has colours", "labels:9");
  write(each_pixel([](std::size_t i) { return List{0, 0, 0, lesion[i]}; }), LCT_RGBA, 8);
  EXPECT_EQ(read("nonzero").mask.pixels, lesion);
  EXPECT_EQ(read("labels:1").mask.pixels, lesion);
}

TEST(MaskRule, TextGoesBothWays) {
  for (const char* text : {"auto", "nonzero", "above:0", "above:65534", "labels:1", "labels:0,2,65535"})
    EXPECT_EQ(text_of(parse_mask_rule(text)), text);
  EXPECT_EQ(text_of(parse_mask_rule("labels:3,1,3")), "labels:1,3");
  for (const char* text : {"", "Auto", "above", "above:", "above:-1", "above:65535", "above:1.5", "above:1 ",
                           "labels:", "labels:1,", "labels:,1", "labels:1;2", "labels:65536", "nonzero:1"})
    EXPECT_NE(message_of<UsageError>([&] { parse_mask_rule(text); }).find("--mask-rule"), std::string::npos) << text;
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
