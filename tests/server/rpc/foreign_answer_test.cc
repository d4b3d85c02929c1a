#include "server/rpc/foreign_answer.h"

#include <gtest/gtest.h>

#include "server/rpc/status_mapping.h"

namespace attendant::testing {
namespace {

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

TEST(RenameFieldTest, RenamesThatFieldAlone) {
  const absl::Status status = InvalidField("options.dimensions", "too many");
  const absl::Status renamed = RenameField(status, "options.dimensions", "dimensions");
  EXPECT_EQ(renamed, InvalidField("dimensions", "too many"));
  EXPECT_EQ(FieldOf(renamed), "dimensions");
  EXPECT_EQ(RenameField(status, "items", "inputs"), status);
  EXPECT_EQ(RenameField(absl::NotFoundError("no"), "", "inputs"), absl::NotFoundError("no"));
}

}  // namespace
}  // namespace attendant::testing
