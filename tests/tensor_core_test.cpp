// Tensor-core products and asynchronous copies, on the smallest kernels that use them (tests/kernels/tensor_core.cu).
#include "kernels/tensor_core.h"

#include <cstring>

#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

using namespace cuda::test_kernels;

#ifdef ATTNUNET_TEST_CUDA
using Machines = ::testing::Types<CudaSim<float>, Cuda<float>>;
#else
using Machines = ::testing::Types<CudaSim<float>>;
#endif

template <class B, class U>
typename B::template Buffer<U> on_device(typename B::Device& device, const std::vector<U>& host) {
  typename B::template Buffer<U> buffer(device, static_cast<Index>(host.size()));
  copy_to_device(device, buffer.data(), host.data(), buffer.size());
  return buffer;
}
template <class B, class U>
std::vector<U> on_host(typename B::Device& device, const typename B::template Buffer<U>& buffer) {
  std::vector<U> host(static_cast<std::size_t>(buffer.size()));
  copy_to_host(device, host.data(), buffer.data(), buffer.size());
  return host;
}

std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
float float_of(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// ---- fragments

// Numbers of 8 significant bits, all different: exact in both operand types.
std::vector<float> distinct(std::size_t count) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i)
    values.push_back(std::ldexp(static_cast<float>(128 + i % 128), static_cast<int>(i / 128)));
  return values;
}

std::vector<float> small_integers(std::size_t count, Random& random) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(random.below(31)) - 15);
  return values;
}

template <class B>
class MatrixFragments : public BackendTest<B> {
 protected:
  // D + A B by the kernel is the same as by loops, to the bit: every sum here is exact.
  void expect_product(Precision precision, const std::vector<float>& a, const std::vector<float>& b,
                      const std::vector<float>& d) {
    const int depth = precision == Precision::bf16 ? 16 : 8;
    std::vector<float> expected = d;
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        for (int l = 0; l < depth; ++l)
          expected[static_cast<std::size_t>(i * columns + j)] +=
              a[static_cast<std::size_t>(i * depth + l)] * b[static_cast<std::size_t>(l * columns + j)];
    const auto a_there = on_device<B>(this->device, a), b_there = on_device<B>(this->device, b);
    auto d_there = on_device<B>(this->device, d);
    multiply_tiles(this->device, precision, d_there.data(), a_there.data(), b_there.data());
    EXPECT_EQ((on_host<B, float>(this->device, d_there)), expected);
  }
};
TYPED_TEST_SUITE(MatrixFragments, Machines);

// A with a single 1, in every place: a row of B must come out in the right row of D. Then the same with A and B
// swapped.
TYPED_TEST(MatrixFragments, EveryElementIsInItsPlace) {
  for (const Precision precision : {Precision::tf32, Precision::bf16}) {
    SCOPED_TRACE(name_of(precision));
    const std::size_t depth = precision == Precision::bf16 ? 16 : 8, a_size = rows * depth, b_size = depth * columns;
    const std::vector<float> zeros(rows * columns);
    for (std::size_t i = 0; i < a_size && !this->HasFailure(); ++i) {
      std::vector<float> a(a_size);
      a[i] = 1;
      this->expect_product(precision, a, distinct(b_size), zeros);
    }
    for (std::size_t i = 0; i < b_size && !this->HasFailure(); ++i) {
      std::vector<float> b(b_size);
      b[i] = 1;
      this->expect_product(precision, distinct(a_size), b, zeros);
    }
  }
}

TYPED_TEST(MatrixFragments, ProductIsAddedToD) {
  Random random(5);
  for (const Precision precision : {Precision::tf32, Precision::bf16}) {
    SCOPED_TRACE(name_of(precision));
    const std::size_t depth = precision == Precision::bf16 ? 16 : 8;
    this->expect_product(precision, small_integers(rows * depth, random), small_integers(depth * columns, random),
                         distinct(rows * columns));
  }
}

// ---- rounding

template <class B>
class OperandRounding : public BackendTest<B> {};
TYPED_TEST_SUITE(OperandRounding, Machines);

struct Rounding {
  std::uint32_t from, tf32, bf16;  // bits of a float32; of a float32 with 10 bits of mantissa; of a bf16
};

const std::vector<Rounding> roundings = {
    {0x00000000, 0x00000000, 0x0000}, {0x80000000, 0x80000000, 0x8000},  // zeros keep their sign
    {0x3F800000, 0x3F800000, 0x3F80}, {0xC0490FDB, 0xC0490000, 0xC049},  // 1, -pi
    {0x3F801000, 0x3F802000, 0x3F80}, {0x3F803000, 0x3F804000, 0x3F80},  // tf32 ties go away from zero
    {0xBF801000, 0xBF802000, 0xBF80}, {0x3F800FFF, 0x3F800000, 0x3F80},  // ... on both sides; just below one
    {0x3F808000, 0x3F808000, 0x3F80}, {0x3F818000, 0x3F818000, 0x3F82},  // bf16 ties go to even
    {0xBF808000, 0xBF808000, 0xBF80}, {0xBF818000, 0xBF818000, 0xBF82},  // ... on both sides
    {0x3F808001, 0x3F808000, 0x3F81}, {0x3F807FFF, 0x3F808000, 0x3F80},  // just beside one
    {0x3FFFFFFF, 0x40000000, 0x4000}, {0x3FFF8000, 0x3FFF8000, 0x4000},  // the carry reaches the exponent
    {0x7F800000, 0x7F800000, 0x7F80}, {0xFF800000, 0xFF800000, 0xFF80},  // infinities
    {0x7F7FFFFF, 0x7F800000, 0x7F80}, {0x7F7F7FFF, 0x7F7F8000, 0x7F7F},  // largest float, and what stays finite
    {0x00801000, 0x00802000, 0x0080}, {0x80800FFF, 0x80800000, 0x8080},  // the smallest normal numbers
    {0x00000001, 0x00000000, 0x0000}, {0x00001FFF, 0x00000000, 0x0000},  // subnormals: tf32 cuts them off
    {0x00400000, 0x00400000, 0x0040}, {0x007FFFFF, 0x007FE000, 0x0080},  // ... and bf16 rounds them
    {0x00018000, 0x00018000, 0x0002}, {0x80008001, 0x80008000, 0x8001},
};

TYPED_TEST(OperandRounding, IsRightToTheBit) {
  std::vector<float> x;
  for (const Rounding& rounding : roundings) x.push_back(float_of(rounding.from));
  for (const std::uint32_t nan : {0x7FC00000u, 0xFFC00000u, 0x7F800001u, 0x7FFFFFFFu}) x.push_back(float_of(nan));
  ASSERT_EQ(x.size() % 2, 0u);
  const auto n = static_cast<Index>(x.size());
  const auto x_there = on_device<TypeParam>(this->device, x);
  typename TypeParam::template Buffer<std::uint32_t> tf32(this->device, n), bf16(this->device, n / 2);
  round_operands(this->device, tf32.data(), bf16.data(), x_there.data(), n);
  const auto tf32_words = on_host<TypeParam, std::uint32_t>(this->device, tf32);
  const auto bf16_words = on_host<TypeParam, std::uint32_t>(this->device, bf16);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::uint32_t half = i % 2 == 0 ? bf16_words[i / 2] & 0xFFFFu : bf16_words[i / 2] >> 16;
    if (i < roundings.size()) {
      EXPECT_EQ(tf32_words[i], roundings[i].tf32) << std::hex << roundings[i].from;
      EXPECT_EQ(half, roundings[i].bf16) << std::hex << roundings[i].from;
    } else {
      EXPECT_TRUE(std::isnan(float_of(tf32_words[i]))) << std::hex << bits_of(x[i]);
      EXPECT_TRUE(std::isnan(float_of(half << 16))) << std::hex << bits_of(x[i]);
    }
  }
}

// ---- copies

template <class B>
class AsyncCopy : public BackendTest<B> {};
TYPED_TEST_SUITE(AsyncCopy, Machines);

constexpr Index copied = 128;

template <class B>
std::vector<float> copy(typename B::Device& device, Index valid, CopyFault fault, Index shift = 0) {
  std::vector<float> x;
  for (Index i = 0; i < copied; ++i) x.push_back(static_cast<float>(i + 1));
  const auto from = on_device<B>(device, x);
  typename B::template Buffer<float> to(device, copied);
  copy_through_shared(device, to.data(), from.data() + shift, valid, fault);
  return on_host<B, float>(device, to);
}

TYPED_TEST(AsyncCopy, CopiesAndFillsWithZeros) {
  for (Index valid : {128, 127, 65, 64, 63, 62, 61, 60, 1, 0}) {
    const std::vector<float> y = copy<TypeParam>(this->device, valid, CopyFault::none);
    for (Index i = 0; i < copied; ++i)
      EXPECT_EQ(y[static_cast<std::size_t>(i)], i < valid ? static_cast<float>(i + 1) : 0.0f) << i << " of " << valid;
  }
}

// What the simulator notices and a GPU need not: the copies are there when they are waited for, not before.
TEST(AsyncCopySimulated, WithoutTheWaitThereIsNothing) {
  cuda::Device<cuda::Simulator> device;
  for (const float y : copy<CudaSim<float>>(device, copied, CopyFault::no_wait)) EXPECT_TRUE(std::isnan(y));
}

TEST(AsyncCopySimulated, WaitLeavesTheLatestGroupsPending) {
  cuda::Device<cuda::Simulator> device;
  const std::vector<float> y = copy<CudaSim<float>>(device, copied, CopyFault::waits_for_too_few);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i >= 64) << i;
}

TEST(AsyncCopySimulated, MisalignedCopiesAreReported) {
  cuda::Device<cuda::Simulator> device;
  try {
    copy<CudaSim<float>>(device, 1, CopyFault::none, 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("copy_through_shared"), std::string::npos) << message;
    EXPECT_NE(message.find("not aligned, at tensor_core.cu:"), std::string::npos) << message;
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
