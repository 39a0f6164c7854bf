#include "common/io/safetensors.h"

#include <cstring>
#include <limits>
#include <sstream>

#include "common/core/error.h"
#include "support/files.h"

namespace attnunet {
namespace TEST_FILE {

// A file of that header (its true length in front, unless said otherwise) and so many bytes of data.
void write_raw(const std::filesystem::path& path, const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  write_text(path, file + header + std::string(data_bytes, '\0'));
}

void expect_rejected(const std::filesystem::path& path, const std::string& reason) {
  const std::string message = message_of<Error>([&] { SafetensorsReader reader(path); });
  EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  EXPECT_NE(message.find(reason), std::string::npos) << message << "\nwithout: " << reason;
  EXPECT_LT(message.size(), path.string().size() + 400);
}

const std::vector<StoredTensor> two_tensors{{"b", {2, 3}}, {"a", {1}}};

void write_example(const std::filesystem::path& path) {
  write_safetensors(path, {{"z", "1"}, {"key", "line\n\"quote\" \u00e9"}}, two_tensors,
                    [](std::size_t i, float* values) {
                      for (Index j = 0; j < two_tensors[i].size(); ++j)
                        values[j] = static_cast<float>(10 * i) + static_cast<float>(j);
                    });
}

TEST(Safetensors, RoundTrip) {
  TemporaryFolder folder;
  const auto path = folder / "x.safetensors";
  write_example(path);
  SafetensorsReader reader(path);
  EXPECT_EQ(reader.metadata(), (std::map<std::string, std::string>{{"z", "1"}, {"key", "line\n\"quote\" \u00e9"}}));
  ASSERT_EQ(reader.tensors().size(), 2u);
  const StoredTensor& b = reader.tensors().at("b");
  EXPECT_EQ(b.shape, (std::vector<Index>{2, 3}));
  float values[6];
  reader.read(b, values);
  for (int j = 0; j < 6; ++j) EXPECT_EQ(values[j], static_cast<float>(j));
  reader.read(reader.tensors().at("a"), values);
  EXPECT_EQ(values[0], 10.0f);
}

// The bytes are a promise: spelled out once.
TEST(Safetensors, BytesAreFixed) {
  TemporaryFolder folder;
  write_safetensors(folder / "x", {{"k", "v"}}, {{"w", {1}}}, [](std::size_t, float* values) { *values = 1.0f; });
  std::string header = R"({"__metadata__":{"k":"v"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string length{static_cast<char>(header.size()), 0, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(read_text(folder / "x"), length + header + std::string("\0\0\x80\x3f", 4));
}

// Every type at its edges: a subnormal, the largest number, infinity, what float64 loses; and whole numbers beside
// them.
TEST(Safetensors, OtherTypes) {
  TemporaryFolder folder;
  const double doubles[] = {1.0 / 3, -1e300};
  const std::uint16_t halves[] = {0x0001, 0x8400, 0x3555, 0x7BFF, 0xFC00}, upper_halves[] = {0x3EAB, 0xC000};
  const std::int64_t count = 7;
  std::string data(reinterpret_cast<const char*>(doubles), sizeof doubles);
  data.append(reinterpret_cast<const char*>(halves), sizeof halves);
  data.append(reinterpret_cast<const char*>(upper_halves), sizeof upper_halves);
  data.append(reinterpret_cast<const char*>(&count), sizeof count);
  const std::string header = R"({"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},)"
                             R"("h":{"dtype":"F16","shape":[5],"data_offsets":[16,26]},)"
                             R"("b":{"dtype":"BF16","shape":[2,1],"data_offsets":[26,30]},)"
                             R"("n":{"dtype":"I64","shape":[],"data_offsets":[30,38]}})";
  write_raw(folder / "x", header, 0);
  write_text(folder / "x", read_text(folder / "x") + data);
  SafetensorsReader reader(folder / "x");
  const auto values = [&](const char* name) {
    std::vector<float> result(static_cast<std::size_t>(reader.tensors().at(name).size()));
    reader.read(reader.tensors().at(name), result.data());
    return result;
  };
  constexpr float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(values("d"), (std::vector<float>{1.0f / 3, -infinity}));
  EXPECT_EQ(values("h"), (std::vector<float>{0x1p-24f, -0x1p-14f, 0x1.554p-2f, 65504.0f, -infinity}));
  EXPECT_EQ(values("b"), (std::vector<float>{0x1.56p-2f, -2.0f}));
  const std::string message = message_of<Error>([&] { values("n"); });
  EXPECT_NE(message.find("'n' has dtype I64"), std::string::npos) << message;
}

// torch.save is what people have first: a zip file since PyTorch 1.6, a pickle before.
TEST(Safetensors, FilesOfTorchSave) {
  TemporaryFolder folder;
  write_text(folder / "zip.pt", std::string("PK\x03\x04\0\0\x08\x08", 8) + std::string(100, 'x'));
  expect_rejected(folder / "zip.pt", "safetensors.torch.save_file");
  write_text(folder / "old.pt", "\x80\x02\x8a\nl\xfc\x9c" + std::string(100, 'x'));
  expect_rejected(folder / "old.pt", "safetensors.torch.save_file");
}

TEST(Safetensors, FilesThatAreNone) {
  TemporaryFolder folder;
  expect_rejected(folder / "missing", "no such file");
  expect_rejected(folder.path(), "not a file");
  write_text(folder / "empty", "");
  expect_rejected(folder / "empty", "empty");
  write_text(folder / "short", "abc");
  expect_rejected(folder / "short", "ends within the header");
  write_text(folder / "png", "\x89PNG\r\n\x1a\n0123456789");
  expect_rejected(folder / "png", "longer than the file");
}

TEST(Safetensors, TruncatedAnywhere) {
  TemporaryFolder folder;
  write_example(folder / "x");
  const std::string whole = read_text(folder / "x");
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    write_text(folder / "cut", whole.substr(0, bytes));
    EXPECT_THROW(SafetensorsReader reader(folder / "cut"), Error) << bytes;
  }
  write_text(folder / "long", whole + "x");
  expect_rejected(folder / "long", "cover");
}

// A length of 2^63 must be refused before anything of that size is asked for.
TEST(Safetensors, LyingHeaderLength) {
  TemporaryFolder folder;
  write_example(folder / "x");
  const std::string whole = read_text(folder / "x");
  for (std::uint64_t length : {~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{whole.size()}}) {
    std::string lie = whole;
    std::memcpy(lie.data(), &length, sizeof length);
    write_text(folder / "lie", lie);
    expect_rejected(folder / "lie", "longer than the file");
  }
  std::string lie = whole;
  lie[0] = static_cast<char>(lie[0] - 9);
  write_text(folder / "lie", lie);
  expect_rejected(folder / "lie", "JSON is wrong");
}

TEST(Safetensors, LyingTensors) {
  TemporaryFolder folder;
  const auto path = folder / "x";
  const auto tensor = [](const std::string& name, const std::string& shape, const std::string& offsets) {
    return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets + "]}";
  };
  const auto reject = [&](const std::string& entries, std::size_t data, const std::string& reason) {
    write_raw(path, "{" + entries + "}", data);
    expect_rejected(path, reason);
  };
  reject(tensor("a", "2", "0,8") + "," + tensor("b", "2", "4,12"), 12, "overlaps");
  reject(tensor("a", "2", "0,8") + "," + tensor("b", "2", "12,20"), 20, "gap");
  reject(tensor("a", "2", "4,12"), 12, "gap");
  reject(tensor("a", "2", "0,8"), 12, "cover");
  reject(tensor("a", "2", "0,8"), 4, "outside the file");
  reject(tensor("a", "2", "8,0"), 8, "outside the file");
  reject(tensor("a", "2", "18446744073709551608,18446744073709551615"), 8, "outside the file");
  reject(tensor("a", "3", "0,8"), 8, "does not fit its bytes");
  // 2^31 * 2^31 * 4 bytes wraps to 0 in 64 bits.
  reject(tensor("a", "2147483648,2147483648", "0,0"), 0, "does not fit its bytes");
  reject(tensor("a", "4611686018427387904,4", "0,0"), 0, "does not fit its bytes");
  reject(tensor("a", "18446744073709551615", "0,8"), 8, "number");
  reject(tensor("a", "-2", "0,8"), 8, "negative");
  reject(tensor("a", "2.0", "0,8"), 8, "fraction");
  reject(tensor("a", "1e300", "0,8"), 8, "fraction");
  reject(tensor("a", "1,1,1,1,1,1,1,1,2", "0,8"), 8, "number");
  reject(tensor("a", "2", "0,8,8"), 8, "number");
  reject(tensor("a", "2", "0"), 8, "two numbers");
  reject(tensor("a", "2", "0,8") + "," + tensor("a", "2", "0,8"), 8, "twice");
  reject(R"("a":{"dtype":"F12","shape":[4],"data_offsets":[0,8]})", 8, "F12");
  reject(R"("a":{"dtype":"F16","shape":[2],"data_offsets":[0,8]})", 8, "does not fit its bytes");
  reject(R"("a":{"dtype":"F32","shape":[2]})", 8, "lacks");
  reject(R"("a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})", 8, "two dtypes");
  reject(R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1})", 8, "number");
  reject(R"("a":[1])", 8, "array");
  reject(R"("a":null)", 8, "null");
}

TEST(Safetensors, LyingHeaders) {
  TemporaryFolder folder;
  const auto path = folder / "x";
  const auto reject = [&](const std::string& header, const std::string& reason) {
    write_raw(path, header, 0);
    expect_rejected(path, reason);
  };
  reject("", "JSON is wrong");
  reject("[]", "array");
  reject("{", "JSON is wrong");
  reject("{}{}", "JSON is wrong");
  reject("{\"\xff\":1}", "JSON is wrong");
  reject(R"({"__metadata__":{"a":1}})", "number");
  reject(R"({"__metadata__":{"a":{"b":"c"}}})", "object");
  reject(R"({"__metadata__":{"a":"1","a":"2"}})", "twice");
  reject(R"({"__metadata__":{},"__metadata__":{}})", "twice");
  reject(R"({"line\nbreak":true})", "line?break");
  // Ten million levels of nesting, of either kind.
  reject(std::string(10'000'000, '['), "array");
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  reject(objects, "object");
}

}  // namespace TEST_FILE
}  // namespace attnunet
