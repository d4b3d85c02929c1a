#include "server/rpc/foreign_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/rpc/status_mapping.h"

namespace attendant::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;

v1::ItemStatus Item(absl::StatusCode code, const std::string& message, const std::string& field) {
  v1::ItemStatus status;
  status.set_code(static_cast<int>(code));
  status.set_message(message);
  status.set_field(field);
  return status;
}

TEST(ToCallStatusTest, NamesTheFieldAsTheOtherProtocolDoes) {
  const auto code = absl::StatusCode::kInvalidArgument;
  const absl::Status status = ToCallStatus(Item(code, "items[0].text: it is blank", "items[0].text"), "inputs");
  EXPECT_EQ(status, InvalidField("inputs", "it is blank"));
  EXPECT_EQ(FieldOf(status), "inputs");
  EXPECT_EQ(FieldOf(ToCallStatus(Item(code, "options.prompt_name: no", "options.prompt_name"), "inputs")),
            "prompt_name");
}

TEST(ToCallStatusTest, OtherCodesKeepTheirWords) {
  const auto code = absl::StatusCode::kInternal;
  EXPECT_EQ(ToCallStatus(Item(code, "not finite", ""), "inputs"), absl::InternalError("not finite"));
}

TEST(CutVectorsTest, CutsThenNormalises) {
  const float values[] = {3, 4, 12, 0, 5, 0};
  EXPECT_THAT(CutVectors(values, 2, 3, 2, Scaling::kAsItIs), ElementsAre(3, 4, 0, 5));
  EXPECT_THAT(CutVectors(values, 2, 3, 2, Scaling::kToUnitLength), ElementsAre(FloatEq(0.6f), FloatEq(0.8f), 0, 1));
}

TEST(CutVectorsTest, ARowOfZerosStaysOne) {
  const float values[] = {0, 0, 7};
  EXPECT_THAT(CutVectors(values, 1, 3, 2, Scaling::kToUnitLength), ElementsAre(0, 0));
}

}  // namespace
}  // namespace attendant::testing
