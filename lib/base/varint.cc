#include "lib/base/varint.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace s3files {
namespace {

bool IsLowerHex(absl::string_view text) {
  return text.size() % 2 == 0 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void AppendText(absl::string_view text, std::string* out) {
  AppendVarint(text.size(), out);
  out->append(text.data(), text.size());
}

void AppendDigest(absl::string_view text, std::string* out) {
  const bool hex = IsLowerHex(text);
  AppendVarint(text.size() << 1 | (hex ? 1 : 0), out);
  if (hex) {
    out->append(absl::HexStringToBytes(text));
  } else {
    out->append(text.data(), text.size());
  }
}

uint64_t TakeVarint(absl::string_view* bytes) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
}

absl::string_view TakeText(absl::string_view* bytes) {
  const size_t size = TakeVarint(bytes);
  const absl::string_view text = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return text;
}

std::string TakeDigest(absl::string_view* bytes) {
  const uint64_t head = TakeVarint(bytes);
  const bool hex = (head & 1) != 0;
  const size_t size = hex ? head >> 2 : head >> 1;
  const absl::string_view text = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return hex ? absl::BytesToHexString(text) : std::string(text);
}

}  // namespace s3files
