#include "engine/tokenizer/tokenizer.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/tokenizer/post_processor.h"
#include "engine/tokenizer/text_encoder.h"
#include "engine/tokenizer/tokenizer_files.h"
#include "engine/tokenizer/tokenizer_json.h"
#include "engine/tokenizer/utf8.h"
#include "engine/tokenizer/vocabulary.h"

namespace attendant {

class Tokenizer::Impl {
 public:
  static absl::StatusOr<std::unique_ptr<Impl>> Create(TokenizerFiles files) {
    absl::StatusOr<TextEncoder> encoder = TextEncoder::Create(files.spec);
    if (!encoder.ok()) {
      return absl::Status(encoder.status().code(), absl::StrCat(files.name, ": ", encoder.status().message()));
    }
    std::unique_ptr<Impl> impl(new Impl(files, *std::move(encoder)));
    for (const auto* pieces : {&files.spec.post_processor.single, &files.spec.post_processor.pair}) {
      for (const TemplatePiece& piece : *pieces) {
        for (const int32_t id : piece.ids) {
          if (impl->vocabulary_.Token(id).empty()) {
            return absl::InvalidArgumentError(
                absl::StrCat(files.name, ": post_processor puts in the id ", id, ", which is not in the vocabulary"));
          }
        }
      }
    }
    return impl;
  }

  // Tokens of one text; as many as a truncation to limit could keep.
  TokenBuffer Content(std::string_view text, size_t limit, TruncationSide side) const {
    TokenBuffer tokens(side == TruncationSide::kEnd ? limit : TokenBuffer::kUnlimited);
    if (utf8::ValidPrefix(text) == text.size()) {
      encoder_.Encode(text, tokens);
    } else {
      encoder_.Encode(utf8::Repair(text), tokens);
    }
    return tokens;
  }

  const TextEncoder& encoder() const { return encoder_; }
  const PostProcessor& post_processor() const { return post_processor_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  const std::string& digest() const { return digest_; }

 private:
  Impl(TokenizerFiles& files, TextEncoder encoder)
      : encoder_(std::move(encoder)),
        post_processor_(files.spec.post_processor),
        vocabulary_(files.spec.model.vocab, files.spec.added_tokens),
        digest_(files.digest) {}

  TextEncoder encoder_;
  PostProcessor post_processor_;
  Vocabulary vocabulary_;
  std::string digest_;
};

namespace {

ContentView View(const TokenBuffer& tokens) {
  return {tokens.ids(), tokens.offsets(), {}, tokens.spaces(), tokens.total()};
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& model_dir) {
  absl::StatusOr<TokenizerFiles> files = ReadTokenizerFiles(model_dir);
  if (!files.ok()) return files.status();
  absl::StatusOr<std::unique_ptr<Impl>> impl = Impl::Create(*std::move(files));
  if (!impl.ok()) return impl.status();
  return std::unique_ptr<Tokenizer>(new Tokenizer(*std::move(impl)));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromJson(std::string_view json) {
  absl::StatusOr<TokenizerSpec> spec = ReadTokenizerJson(json, "tokenizer.json");
  if (!spec.ok()) return spec.status();
  absl::StatusOr<std::unique_ptr<Impl>> impl = Impl::Create({*std::move(spec), "tokenizer.json", Sha256Hex(json)});
  if (!impl.ok()) return impl.status();
  return std::unique_ptr<Tokenizer>(new Tokenizer(*std::move(impl)));
}

Encoding Tokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  const PostProcessor& post = impl_->post_processor();
  return post.Apply(View(impl_->Content(text, post.ContentLimit(false, options), options.side)), options);
}

Encoding Tokenizer::EncodePair(std::string_view first, std::string_view second, const EncodeOptions& options) const {
  const PostProcessor& post = impl_->post_processor();
  const size_t limit = post.ContentLimit(true, options);
  const TokenBuffer first_tokens = impl_->Content(first, limit, options.side);
  const TokenBuffer second_tokens = impl_->Content(second, limit, options.side);
  return post.ApplyPair(View(first_tokens), View(second_tokens), options);
}

Encoding Tokenizer::WrapIds(std::span<const int32_t> input_ids, std::span<const int32_t> token_type_ids,
                            const EncodeOptions& options) const {
  return impl_->post_processor().Apply({input_ids, {}, token_type_ids, {}, input_ids.size()}, options);
}

int32_t Tokenizer::vocab_size() const { return impl_->vocabulary().size(); }
int32_t Tokenizer::num_special_tokens(bool pair) const { return impl_->post_processor().num_special_tokens(pair); }
std::string_view Tokenizer::IdToToken(int32_t id) const { return impl_->vocabulary().Token(id); }
std::optional<int32_t> Tokenizer::TokenToId(std::string_view token) const { return impl_->encoder().TokenToId(token); }
bool Tokenizer::IsSpecial(int32_t id) const { return impl_->vocabulary().IsSpecial(id); }
const std::string& Tokenizer::files_digest() const { return impl_->digest(); }

}  // namespace attendant
