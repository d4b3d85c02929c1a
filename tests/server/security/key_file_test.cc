#include "server/security/key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attendant {
namespace {

using ::testing::HasSubstr;

const std::string kHash = ToHex(Sha256("a key of at least sixteen"));
const std::string kOther = ToHex(Sha256("another key of some length"));

std::string ErrorOf(const std::string& text) {
  const auto lines = ParseKeyFile(text);
  EXPECT_TRUE(absl::IsInvalidArgument(lines.status())) << text;
  return std::string(lines.status().message());
}

TEST(KeyFile, ReadsNamesHashesAndAttributes) {
  const auto lines = ParseKeyFile("# keys\r\n\n  search-ui\t" + kHash + "  # the website\n" + "night.ly_2 " + kOther +
                                  " allow=embed,metrics tokens-per-second=250 class=bulk");
  ASSERT_TRUE(lines.ok()) << lines.status();
  ASSERT_EQ(lines->size(), 2u);
  const CallerOptions& first = (*lines)[0].caller;
  EXPECT_EQ(first.name, "search-ui");
  EXPECT_EQ((*lines)[0].digest, Sha256("a key of at least sixteen"));
  EXPECT_EQ(first.ceiling, ServiceClass::kInteractive);
  EXPECT_EQ(first.tokens_per_second, 0);
  EXPECT_EQ(first.rights, static_cast<uint8_t>(Right::kEmbed));
  const CallerOptions& second = (*lines)[1].caller;
  EXPECT_EQ(second.name, "night.ly_2");
  EXPECT_EQ(second.ceiling, ServiceClass::kBulk);
  EXPECT_EQ(second.tokens_per_second, 250);
  EXPECT_EQ(second.rights, static_cast<uint8_t>(Right::kEmbed) | static_cast<uint8_t>(Right::kMetrics));
}

TEST(KeyFile, HashesMayBeUpperCase) {
  const auto lines = ParseKeyFile("a 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08");
  ASSERT_TRUE(lines.ok());
  EXPECT_EQ(lines->at(0).digest, Sha256("test"));
}

TEST(KeyFile, ErrorsNameTheLine) {
  EXPECT_THAT(ErrorOf("\na " + kHash + "\na " + kOther), HasSubstr("line 3: the name is that of line 2"));
  EXPECT_THAT(ErrorOf("a " + kHash + "\n\nb " + kHash), HasSubstr("line 3: the key is that of line 1"));
  EXPECT_THAT(ErrorOf("a"), HasSubstr("line 1: after the name comes"));
  EXPECT_THAT(ErrorOf("a 12ab"), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(ErrorOf("a " + kHash.substr(1) + "g"), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(ErrorOf("a " + kHash + "0"), HasSubstr("64 hexadecimal digits"));
  EXPECT_THAT(ErrorOf("a b/c " + kHash), HasSubstr("line 1"));
  EXPECT_THAT(ErrorOf("a\xc3\xa4 " + kHash), HasSubstr("a name is"));
  EXPECT_THAT(ErrorOf(std::string(65, 'a') + " " + kHash), HasSubstr("a name is"));
}

TEST(KeyFile, ErrorsOfAttributes) {
  const auto error = [](const std::string& attributes) { return ErrorOf("a " + kHash + " " + attributes); };
  EXPECT_THAT(error("colour=blue"), HasSubstr("line 1: unknown attribute"));
  EXPECT_THAT(error("class"), HasSubstr("class is interactive or bulk"));
  EXPECT_THAT(error("class=Bulk"), HasSubstr("class is interactive or bulk"));
  EXPECT_THAT(error("class=bulk class=bulk"), HasSubstr("attribute class is there twice"));
  for (const char* number : {"", "0", "-1", "+1", "1.5", "1e3", "0x10", "9999999999999999999999", "1000000000001"}) {
    EXPECT_THAT(error(std::string("tokens-per-second=") + number), HasSubstr("tokens-per-second is a whole number"));
  }
  for (const char* rights : {"", "all", "embed,", "embed;metrics"}) {
    EXPECT_THAT(error(std::string("allow=") + rights), HasSubstr("allow is a list"));
  }
}

TEST(KeyFile, ErrorsNeverQuoteWhatMayBeAKey) {
  for (const char* line : {"my-very-secret-key", "a my-very-secret-key", "a=my-very-secret-key 1"}) {
    EXPECT_THAT(ErrorOf(line), ::testing::Not(HasSubstr("secret")));
  }
  EXPECT_THAT(ErrorOf("a " + kHash + " my-very-secret-key"), ::testing::Not(HasSubstr("secret")));
}

TEST(KeyFile, BoundsTheSize) {
  EXPECT_THAT(ErrorOf(std::string(kMaxKeyFileBytes + 1, '\n')), HasSubstr("larger than"));
  EXPECT_TRUE(ParseKeyFile(std::string(kMaxKeyFileBytes, '\n')).ok());
}

TEST(KeyFile, MakesLinesThatItReads) {
  const auto line = KeyFileLine("search-ui", "0123456789abcdef");
  ASSERT_TRUE(line.ok()) << line.status();
  const auto lines = ParseKeyFile(*line);
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_EQ(lines->at(0).digest, Sha256("0123456789abcdef"));
}

TEST(KeyFile, MakesNoLineOfABadKey) {
  EXPECT_THAT(std::string(KeyFileLine("a", "short").status().message()), HasSubstr("16 to 512 characters"));
  EXPECT_FALSE(KeyFileLine("a", std::string(513, 'x')).ok());
  EXPECT_FALSE(KeyFileLine("a", "0123456789 abcdef").ok());
  EXPECT_FALSE(KeyFileLine("a", "0123456789abcde\x7f").ok());
  EXPECT_FALSE(KeyFileLine("a b", "0123456789abcdef").ok());
}

}  // namespace
}  // namespace attendant
