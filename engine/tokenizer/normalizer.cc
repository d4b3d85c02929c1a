#include "engine/tokenizer/normalizer.h"

#include <algorithm>
#include <cstddef>

#include "engine/tokenizer/unicode_properties.h"
#include "engine/tokenizer/utf8.h"

namespace attendant {
namespace {

using unicode::Lookup;

// Puts decomposed characters in canonical order and hands out their sources.
class CanonicalOrder {
 public:
  explicit CanonicalOrder(std::span<const NormalizedChar> input) : input_(input) { out_.reserve(input.size()); }

  // leads: it is the first character of its decomposition.
  void Add(char32_t c, bool leads) {
    const uint8_t combining_class = Lookup(c).combining_class;
    if (combining_class == 0) Flush();
    pending_.push_back({c, combining_class, leads});
  }

  std::vector<NormalizedChar> Finish() {
    Flush();
    return std::move(out_);
  }

 private:
  struct Pending {
    char32_t c;
    uint8_t combining_class;
    bool leads;
  };

  void Flush() {
    if (pending_.size() > 1) {
      std::stable_sort(pending_.begin(), pending_.end(),
                       [](const Pending& a, const Pending& b) { return a.combining_class < b.combining_class; });
    }
    for (const Pending& p : pending_) {
      if (p.leads) ++consumed_;
      out_.push_back({p.c, input_[consumed_ == 0 ? 0 : consumed_ - 1].source});
    }
    pending_.clear();
  }

  std::span<const NormalizedChar> input_;
  size_t consumed_ = 0;  // input characters whose place has been handed out
  std::vector<Pending> pending_;
  std::vector<NormalizedChar> out_;
};

template <typename Predicate>
void Remove(std::vector<NormalizedChar>& chars, Predicate predicate) {
  std::erase_if(chars, [&](const NormalizedChar& n) { return predicate(Lookup(n.c).flags); });
}

void Clean(std::vector<NormalizedChar>& chars) {
  Remove(chars, [](uint16_t flags) { return flags & unicode::kCleanRemoved; });
  for (NormalizedChar& n : chars) {
    if (Lookup(n.c).flags & unicode::kCleanSpace) n.c = ' ';
  }
}

std::vector<NormalizedChar> SpaceChinese(std::span<const NormalizedChar> chars) {
  std::vector<NormalizedChar> out;
  out.reserve(chars.size());
  for (const NormalizedChar& n : chars) {
    const bool chinese = unicode::IsChinese(n.c);
    if (chinese) out.push_back({' ', n.source});
    out.push_back(n);
    if (chinese) out.push_back({' ', n.source});
  }
  return out;
}

std::vector<NormalizedChar> Lowercase(std::span<const NormalizedChar> chars) {
  std::vector<NormalizedChar> out;
  out.reserve(chars.size());
  for (const NormalizedChar& n : chars) {
    const unicode::CodePointRecord& record = Lookup(n.c);
    out.push_back({n.c + record.lowercase_delta, n.source});
    if (record.flags & unicode::kLowercaseExpands) out.push_back({0x307, n.source});
  }
  return out;
}

bool IsWhitespace(const NormalizedChar& n) { return Lookup(n.c).flags & unicode::kWhitespace; }

void Apply(NormalizerStep step, std::vector<NormalizedChar>& chars) {
  switch (step) {
    case NormalizerStep::kClean:
      return Clean(chars);
    case NormalizerStep::kSpaceChinese:
      chars = SpaceChinese(chars);
      return;
    case NormalizerStep::kNfd:
      chars = Decompose(chars);
      return;
    case NormalizerStep::kStripNonspacingMarks:
      return Remove(chars, [](uint16_t flags) { return flags & unicode::kNonspacingMark; });
    case NormalizerStep::kStripMarks:
      return Remove(chars, [](uint16_t flags) { return flags & unicode::kMark; });
    case NormalizerStep::kLowercase:
      chars = Lowercase(chars);
      return;
    case NormalizerStep::kStripLeft:
      chars.erase(chars.begin(), std::find_if_not(chars.begin(), chars.end(), IsWhitespace));
      return;
    case NormalizerStep::kStripRight:
      chars.erase(std::find_if_not(chars.rbegin(), chars.rend(), IsWhitespace).base(), chars.end());
      return;
  }
}

}  // namespace

std::vector<NormalizedChar> Decompose(std::span<const NormalizedChar> chars) {
  CanonicalOrder order(chars);
  for (const NormalizedChar& n : chars) {
    if (unicode::IsHangulSyllable(n.c)) {
      char32_t jamo[3];
      const int count = unicode::DecomposeHangul(n.c, jamo);
      for (int i = 0; i < count; ++i) order.Add(jamo[i], i == 0);
      continue;
    }
    const std::span<const char32_t> decomposition = unicode::Decomposition(Lookup(n.c));
    if (decomposition.empty()) order.Add(n.c, true);
    for (size_t i = 0; i < decomposition.size(); ++i) order.Add(decomposition[i], i == 0);
  }
  return order.Finish();
}

std::vector<NormalizedChar> Normalize(std::string_view text, uint32_t first_source,
                                      std::span<const NormalizerStep> steps) {
  std::vector<NormalizedChar> chars;
  chars.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    const char32_t c = utf8::Next(text, position);
    chars.push_back({c, first_source + static_cast<uint32_t>(chars.size())});
  }
  for (const NormalizerStep step : steps) Apply(step, chars);
  return chars;
}

}  // namespace attendant
