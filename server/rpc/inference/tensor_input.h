// One input tensor of a ModelInferRequest: checked against its datatype and shape, read as texts or as integers, from
// raw bytes or from the message's lists alike.
//
// Thread-safety: immutable. It refers to the message, which must outlive it.
#ifndef ATTENDANT_SERVER_RPC_INFERENCE_TENSOR_INPUT_H_
#define ATTENDANT_SERVER_RPC_INFERENCE_TENSOR_INPUT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"
#include "server/rpc/limits.h"

namespace attendant {

class TensorInput {
 public:
  // index: of the tensor in the request, for errors and for the raw contents.
  TensorInput(const inference::ModelInferRequest& request, int index)
      : request_(request), tensor_(request.inputs(index)), index_(index) {}

  const std::string& name() const { return tensor_.name(); }
  std::string Path(const char* field) const;  // "inputs[1].shape"

  // BYTES of shape [rows] or [rows, 1]. The views are into the message; not checked for UTF-8.
  absl::StatusOr<std::vector<std::string_view>> ReadTexts(const RequestLimits& limits) const;

  // INT64 or INT32 of shape [rows, columns].
  struct Matrix {
    int64_t rows = 0;
    int64_t columns = 0;
    std::vector<int64_t> values;
  };
  absl::StatusOr<Matrix> ReadMatrix(const RequestLimits& limits) const;

 private:
  bool is_raw() const { return index_ < request_.raw_input_contents_size(); }
  const std::string& raw() const { return request_.raw_input_contents(index_); }
  absl::Status CheckRows(int64_t rows, const RequestLimits& limits) const;
  absl::Status WrongCount(int64_t wanted, int64_t got, const char* list) const;
  absl::Status ReadRawTexts(int64_t rows, std::vector<std::string_view>* texts) const;
  absl::Status ReadRawValues(size_t width, int64_t count, std::vector<int64_t>* values) const;

  const inference::ModelInferRequest& request_;
  const inference::ModelInferRequest::InferInputTensor& tensor_;
  const int index_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_INFERENCE_TENSOR_INPUT_H_
