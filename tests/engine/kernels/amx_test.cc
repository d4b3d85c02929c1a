// The matrix products on AMX tiles. Always over plain arrays that stand in for the tile registers, which tests all but
// the instructions; where this process may run those, the real kernels too. tests/emulated runs these on an
// emulated CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "engine/kernels/amx_permission.h"
#include "engine/kernels/simd_scalar.h"
#include "tests/engine/kernels/guarded.h"
#include "tests/engine/kernels/low_gemm_problem.h"
// The order matters: the kernels are written over the V16 of simd_scalar.h.
#include "engine/kernels/amx_gemm.inc"

namespace attendant::kernels {
namespace {

constexpr int kTiles = 8, kTileRowBytes = 64, kMaxTileRows = 16;

struct TileFile {
  bool configured = false;
  int rows[kTiles] = {};
  char bytes[kTiles][kMaxTileRows][kTileRowBytes] = {};
};
thread_local TileFile tile_file;

// As the manual tells it: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
struct PlainTiles {
  static void Configure(int height) {
    ASSERT_FALSE(tile_file.configured);
    ASSERT_GE(height, 1);
    ASSERT_LE(height, kMaxTileRows);
    tile_file = {.configured = true};
    for (int t = 0; t < kTiles; ++t) tile_file.rows[t] = t < 6 ? height : kMaxTileRows;
  }
  static void Release() { tile_file = {}; }

  template <int kTile>
  static void Zero() {
    ASSERT_TRUE(tile_file.configured);
    std::memset(tile_file.bytes[kTile], 0, sizeof(tile_file.bytes[kTile]));
  }
  template <int kTile>
  static void Load(const char* p, int64_t stride) {
    Zero<kTile>();
    for (int r = 0; r < tile_file.rows[kTile]; ++r) {
      std::memcpy(tile_file.bytes[kTile][r], p + r * stride, kTileRowBytes);
    }
  }
  template <int kTile>
  static void Store(char* p, int64_t stride) {
    ASSERT_TRUE(tile_file.configured);
    for (int r = 0; r < tile_file.rows[kTile]; ++r) {
      std::memcpy(p + r * stride, tile_file.bytes[kTile][r], kTileRowBytes);
    }
  }

  // Element n of row r, of a type.
  template <class T>
  static T Get(int tile, int r, int n) {
    T x;
    std::memcpy(&x, tile_file.bytes[tile][r] + n * static_cast<int>(sizeof(T)), sizeof(T));
    return x;
  }
  template <class T>
  static void Set(int tile, int r, int n, T x) {
    std::memcpy(tile_file.bytes[tile][r] + n * static_cast<int>(sizeof(T)), &x, sizeof(T));
  }
};

// TDPBUSD.
struct PlainInt8Tiles : PlainTiles {
  template <int kC, int kA, int kB>
  static void Multiply() {
    ASSERT_EQ(tile_file.rows[kC], tile_file.rows[kA]);
    for (int r = 0; r < tile_file.rows[kC]; ++r) {
      for (int n = 0; n < 16; ++n) {
        auto sum = Get<int32_t>(kC, r, n);
        for (int k = 0; k < 16; ++k) {
          for (int i = 0; i < 4; ++i) sum += Get<uint8_t>(kA, r, 4 * k + i) * Get<int8_t>(kB, k, 4 * n + i);
        }
        Set(kC, r, n, sum);
      }
    }
  }
};

// TDPBF16PS.
struct PlainBf16Tiles : PlainTiles {
  // Denormals count as zero.
  static float Flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }
  static float Input(int tile, int r, int n) { return Flushed(FromBf16(Get<uint16_t>(tile, r, n))); }

  template <int kC, int kA, int kB>
  static void Multiply() {
    ASSERT_EQ(tile_file.rows[kC], tile_file.rows[kA]);
    for (int r = 0; r < tile_file.rows[kC]; ++r) {
      for (int n = 0; n < 16; ++n) {
        float sums[2] = {};
        for (int k = 0; k < 16; ++k) {
          for (int i = 0; i < 2; ++i) {
            sums[i] = Flushed(std::fma(Input(kA, r, 2 * k + i), Input(kB, k, 2 * n + i), sums[i]));
          }
        }
        Set(kC, r, n, Flushed(Flushed(Get<float>(kC, r, n)) + Flushed(sums[0] + sums[1])));
      }
    }
  }
};

void PlainInt8(const LowGemmArgs& args) { AmxGemm<PlainInt8Tiles, Int8Dot>(args); }
void PlainBf16(const LowGemmArgs& args) { AmxGemm<PlainBf16Tiles, AmxBf16Sums>(args); }
void Unused(const QuantizeArgs&) { FAIL() << "the problem converts A"; }

// Where it is known that tiles work, though neither the CPU nor Linux says so (tests/emulated).
bool AmxIsKnown() { return std::getenv("ATTENDANT_TEST_AMX") != nullptr; }

// The products under test, as tables.
const std::vector<KernelTable>& Tables() {
  static const std::vector<KernelTable> tables = [] {
    std::vector<KernelTable> made;
    KernelTable table = *attendant_kernels_scalar();
    table.convert_bf16 = Unused;
    if (AmxUsable() || AmxIsKnown()) {
      table.name = "AMX instructions";
      table.gemm_int8 = attendant_gemm_int8_amx;
      table.gemm_bf16 = attendant_gemm_bf16_amx;
      made.push_back(table);
    }
    // An emulated CPU is slow, and plain arrays are the same everywhere.
    if (!AmxIsKnown()) {
      table.name = "tiles of plain arrays";
      table.gemm_int8 = PlainInt8;
      table.gemm_bf16 = PlainBf16;
      made.push_back(table);
    }
    for (const KernelTable& each : made) std::printf("amx_test: tests %s\n", each.name);
    return made;
  }();
  return tables;
}

const std::vector<int64_t>& Heights() {
  static const std::vector<int64_t> heights = [] {
    std::vector<int64_t> made = {63, 64, 65, 97, 128, 161};
    for (int64_t m = 0; m <= 50; ++m) made.push_back(m);
    return made;
  }();
  return heights;
}

// For an emulator that takes the signed bytes of TDPBUSD as unsigned ones (tests/emulated).
struct Int8NotNegative : Int8 {
  static B RandomB(std::mt19937& random) { return static_cast<B>(random() % 128); }
};

template <class Format>
class AmxGemmTest : public testing::Test {};
struct FormatNames {
  template <class Format>
  static std::string GetName(int) {
    return std::is_same_v<Format, Int8> ? "Int8" : Format::kInteger ? "Int8NotNegative" : "Bf16";
  }
};
using Formats = testing::Types<Int8, Int8NotNegative, Bf16>;
TYPED_TEST_SUITE(AmxGemmTest, Formats, FormatNames);

// bf16 sums are exact, too, if they are of small integers: then only the order of the rest shows.
template <class Format>
void MakeSumsExact(Problem<Format>& p) {
  if constexpr (!Format::kInteger) {
    std::mt19937 random(7);
    for (int64_t i = 0; i < p.a.size(); ++i) {
      if (i % p.lda < p.shape.k) p.a[i] = static_cast<float>(static_cast<int>(random() % 33) - 16);
    }
    for (int64_t i = 0; i < p.b.size(); ++i) p.b[i] = ToBf16(static_cast<float>(static_cast<int>(random() % 33) - 16));
  }
}

// Twice, with different bytes around every input.
template <class Format>
void ExpectTheScalarTwinsBits(const Case& c) {
  Problem<Format> problem(c), other_slack(c, 0x7F);
  MakeSumsExact(problem);
  MakeSumsExact(other_slack);
  const Guarded expected = problem.Run(*attendant_kernels_scalar());
  for (const KernelTable& table : Tables()) {
    ASSERT_TRUE(SameBits(problem.Run(table), expected)) << Describe(table, c);
    ASSERT_TRUE(SameBits(other_slack.Run(table), expected)) << Describe(table, c);
  }
}

TYPED_TEST(AmxGemmTest, GivesTheBitsOfTheScalarTwinAtEveryHeight) {
  for (const int64_t m : Heights()) {
    for (const int64_t n : {32, 96}) {
      for (const int64_t k : {64, 320}) {
        ExpectTheScalarTwinsBits<TypeParam>({.m = m,
                                             .n = n,
                                             .k = k,
                                             .bias = (m + n / 32) % 2 == 0,
                                             .residual = (m + k) % 3 == 0,
                                             .misalignment = static_cast<int>((m + n / 32 + k) % 3)});
      }
    }
  }
}

TYPED_TEST(AmxGemmTest, EveryActivationGivesTheBitsOfTheScalarTwin) {
  for (const Activation activation : {Activation::kGelu, Activation::kGeluTanh, Activation::kQuickGelu,
                                      Activation::kRelu, Activation::kSilu, Activation::kSigmoid, Activation::kTanh}) {
    for (const bool with : {false, true}) {
      ExpectTheScalarTwinsBits<TypeParam>(
          {.m = 37, .n = 64, .k = 64, .bias = with, .residual = !with, .activation = activation, .misalignment = 1});
    }
  }
}

// A plain loop in double precision over random numbers: what C is, and how far rounding may lead from it.
struct Exact {
  double value, tolerance;
};
template <class Format>
Exact Define(const Problem<Format>& p, int64_t row, int64_t column) {
  double sum = 0, magnitude = 0;
  for (int64_t i = 0; i < p.shape.k; ++i) {
    const auto a = p.a[row * p.lda + i];
    const double x = Format::kInteger ? static_cast<double>(a) : FromBf16(ToBf16(static_cast<float>(a)));
    sum += x * p.Weight(column, i);
    magnitude += std::abs(x * p.Weight(column, i));
  }
  double tolerance = magnitude * static_cast<double>(p.shape.k);
  if (Format::kInteger) {
    const double zero = static_cast<double>(p.a_zeros[row]) * p.b_sums[column];
    const double scale = static_cast<double>(p.a_scales[row]) * p.b_scales[column];
    tolerance = 4 * (std::abs(sum) + std::abs(zero)) * std::abs(scale);
    sum = (sum - zero) * scale;
  }
  const double rest = static_cast<double>(p.bias[column]) + p.residual[row * p.ldc + column];
  return {sum + rest, (tolerance + 2 * std::abs(sum) + 8) * 0x1p-24};
}

TYPED_TEST(AmxGemmTest, AgreesWithTheDefinition) {
  for (const int64_t k : TypeParam::kDepths) {
    const Case c{.m = 43, .n = 64, .k = k};
    Problem<TypeParam> problem(c);
    for (const KernelTable& table : Tables()) {
      const Guarded found = problem.Run(table);
      for (int64_t row = 0; row < c.m; ++row) {
        for (int64_t column = 0; column < c.n; ++column) {
          const Exact exact = Define(problem, row, column);
          ASSERT_NEAR(found[row * problem.ldc + column], exact.value, exact.tolerance)
              << Describe(table, c) << ", row " << row << " column " << column;
        }
      }
    }
  }
}

// Some rows of one panel's columns of a problem, computed without the others.
struct Part {
  int64_t first, rows, column;
};
template <class Format>
std::vector<float> RunAlone(Problem<Format>& problem, const KernelTable& table, const Part& part) {
  // In place, since the residual's stride is C's.
  std::vector<float> alone(static_cast<size_t>(part.rows * kPanelWidth));
  for (int64_t r = 0; r < part.rows; ++r) {
    std::copy_n(problem.residual.data() + (part.first + r) * problem.ldc + part.column, kPanelWidth,
                alone.begin() + r * kPanelWidth);
  }
  LowGemmArgs args = problem.ArgsFor(table);
  args.a = static_cast<const char*>(args.a) + part.first * args.lda;
  args.a_scales += part.first;
  args.a_zeros += part.first;
  args.b = problem.b.data() + part.column * problem.shape.k;
  args.b_scales += part.column;
  args.b_sums += part.column;
  args.bias += part.column;
  args.residual = args.c = alone.data();
  args.ldc = kPanelWidth;
  args.m = part.rows;
  args.n = kPanelWidth;
  Format::Product(table)(args);
  return alone;
}

// The promise behind batch invariance, and behind a team that shares columns. Random sums: their order shows.
TYPED_TEST(AmxGemmTest, NeitherRowsNorPanelsDependOnTheirNeighbours) {
  const Case c{.m = 49, .n = 64, .k = 128, .activation = Activation::kGelu};
  Problem<TypeParam> problem(c);
  for (const KernelTable& table : Tables()) {
    const Guarded together = problem.Run(table);
    for (const int64_t first : {0, 3, 16, 31, 32}) {
      for (const int64_t rows : {1, 2, 15, 17}) {
        for (const int64_t column : {0, 32}) {
          const std::vector<float> alone = RunAlone(problem, table, {first, rows, column});
          for (int64_t r = 0; r < rows; ++r) {
            ASSERT_EQ(std::memcmp(alone.data() + r * kPanelWidth, together.data() + (first + r) * problem.ldc + column,
                                  kPanelWidth * sizeof(float)),
                      0)
                << table.name << " row " << first << " + " << r << " of " << rows << " column " << column;
          }
        }
      }
    }
  }
}

TYPED_TEST(AmxGemmTest, TheResidualMayBeTheResultItself) {
  for (const Activation activation : {Activation::kNone, Activation::kGelu}) {
    const Case c{.m = 45, .n = 64, .k = 64, .bias = false, .activation = activation};
    Problem<TypeParam> problem(c);
    for (const KernelTable& table : Tables()) {
      const Guarded expected = problem.Run(table);
      Guarded in_place = problem.residual;
      LowGemmArgs args = problem.ArgsFor(table);
      args.residual = args.c = in_place.data();
      TypeParam::Product(table)(args);
      EXPECT_TRUE(SameBits(in_place, expected)) << Describe(table, c);
      EXPECT_TRUE(in_place.SlackIsUntouched()) << Describe(table, c);
    }
  }
}

TEST(AmxInt8, SumsOfTheLargestNumbersAreExact) {
  for (const int8_t extreme : {int8_t{127}, int8_t{-127}, int8_t{-128}}) {
    const Case c{.m = 18, .n = 32, .k = 4096};
    Problem<Int8> problem(c);
    for (int64_t i = 0; i < problem.a.size(); ++i) problem.a[i] = 255;
    for (int64_t i = 0; i < problem.b.size(); ++i) problem.b[i] = extreme;
    problem.SumColumns();
    const Guarded expected = problem.Run(*attendant_kernels_scalar());
    for (const KernelTable& table : Tables()) EXPECT_TRUE(SameBits(problem.Run(table), expected)) << table.name;
  }
}

TEST(AmxBf16, ANumberThatIsNotOneStaysInItsRowAndColumn) {
  const Case c{.m = 40, .n = 64, .k = 64};
  Problem<Bf16> problem(c);
  constexpr int64_t kRow = 21, kColumn = 39, kAt = 5;
  problem.a[kRow * problem.lda + kAt] = INFINITY;
  problem.b[c.k * kPanelWidth + (kAt / 2 * kPanelWidth + kColumn - kPanelWidth) * 2 + kAt % 2] = ToBf16(INFINITY);
  for (const KernelTable& table : Tables()) {
    const Guarded found = problem.Run(table);
    for (int64_t row = 0; row < c.m; ++row) {
      for (int64_t column = 0; column < c.n; ++column) {
        ASSERT_EQ(std::isfinite(found[row * problem.ldc + column]), row != kRow && column != kColumn)
            << table.name << " row " << row << " column " << column;
      }
    }
  }
}

TEST(AmxBf16, DenormalsCountAsZero) {
  const Case c{.m = 3, .n = 32, .k = 32, .bias = false, .residual = false};
  Problem<Bf16> problem(c);
  for (int64_t i = 0; i < problem.a.size(); ++i) {
    if (i % problem.lda < c.k) problem.a[i] = 0x1p-130f;
  }
  for (int64_t i = 0; i < problem.b.size(); ++i) problem.b[i] = ToBf16(0x1p100f);
  for (const KernelTable& table : Tables()) {
    const Guarded found = problem.Run(table);
    for (int64_t i = 0; i < c.n; ++i) ASSERT_EQ(found[i], 0.0f) << table.name;
  }
}

TEST(AmxPermission, HasOneAnswerForEveryThread) {
  const bool usable = AmxUsable();
  std::vector<int> answers(8, -1);
  std::vector<std::thread> threads;
  for (int& answer : answers) threads.emplace_back([&answer] { answer = AmxUsable() ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::count(answers.begin(), answers.end(), usable ? 1 : 0), 8);
}

// Threads that come later, too, may use the tiles; nobody's tiles are another's.
TEST(AmxPermission, CoversEveryThread) {
  const Case c{.m = 33, .n = 96, .k = 320};
  const Guarded expected = Problem<Int8>(c).Run(*attendant_kernels_scalar());
  for (const KernelTable& table : Tables()) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        Problem<Int8> problem(c);
        for (int round = 0; round < 10; ++round) EXPECT_TRUE(SameBits(problem.Run(table), expected)) << table.name;
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(AmxPermission, IsNotHadWithoutTheCpusFlags) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::stringstream text;
  text << cpuinfo.rdbuf();
  bool flags = true;
  for (const char* flag : {" amx_tile", " amx_int8", " amx_bf16"}) {
    flags = flags && text.str().find(flag) != std::string::npos;
  }
  if (!flags) {
    EXPECT_FALSE(AmxUsable());
  }
}

}  // namespace
}  // namespace attendant::kernels
