#include "lib/inode/xattr.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

constexpr absl::string_view kNamespace = "user.";
constexpr absl::string_view kWordStart = "=?UTF-8?B?";
constexpr absl::string_view kWordEnd = "?=";
// RFC 2047: a word has at most 75 characters; 45 bytes give 60 in base 64.
constexpr size_t kBytesOfWord = 45;
// Of a commit id, which every object that we write carries.
constexpr size_t kCommitIdSize = 32;

bool IsReserved(absl::string_view name) {
  return absl::StartsWith(name, "file-") || absl::StartsWith(name, "s3files-");
}

bool IsNameCharacter(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_' || c == '.';
}

bool StandsAsItIs(absl::string_view value) {
  return !value.empty() && value.front() != ' ' && value.back() != ' ' &&
         value.find("=?") == absl::string_view::npos &&
         std::all_of(value.begin(), value.end(), absl::ascii_isprint);
}

// The bytes of one encoded word in UTF-8; false where it is none.
bool DecodeWord(absl::string_view word, std::string* out) {
  if (word.size() < kWordStart.size() + kWordEnd.size() ||
      !absl::StartsWithIgnoreCase(word, "=?utf-8?") || !absl::ConsumeSuffix(&word, kWordEnd)) {
    return false;
  }
  const char encoding = absl::ascii_toupper(word[8]);
  if (word[9] != '?') return false;
  word.remove_prefix(kWordStart.size());
  std::string bytes;
  if (encoding == 'B') {
    if (!absl::Base64Unescape(word, &bytes)) return false;
  } else if (encoding == 'Q') {
    for (size_t i = 0; i < word.size(); ++i) {
      const bool escaped = word[i] == '=' && i + 2 < word.size() &&
                           absl::ascii_isxdigit(word[i + 1]) && absl::ascii_isxdigit(word[i + 2]);
      bytes += escaped ? absl::HexStringToBytes(word.substr(i + 1, 2))
                       : std::string(1, word[i] == '_' ? ' ' : word[i]);
      if (escaped) i += 2;
    }
  } else {
    return false;
  }
  *out += bytes;
  return true;
}

}  // namespace

absl::StatusOr<std::string> MetadataNameOf(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, kNamespace) || name.empty()) {
    return Error(ENOTSUP, absl::StrCat("attributes are named user.NAME, not '", name, "'"));
  }
  if (!std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return Error(ENOTSUP, absl::StrCat("S3 cannot keep the attribute name '", name,
                                       "': use lower-case letters, digits, '-', '_' and '.'"));
  }
  if (IsReserved(name)) {
    return Error(EPERM,
                 absl::StrCat("user.", name, " carries a POSIX attribute; set that instead"));
  }
  return std::string(name);
}

std::vector<std::string> XattrNamesOf(const ObjectMetadata& metadata) {
  std::vector<std::string> names;
  for (const auto& [name, value] : metadata.user) {
    if (!IsReserved(name)) names.push_back(absl::StrCat(kNamespace, name));
  }
  return names;
}

std::string EncodeXattr(absl::string_view value) {
  if (StandsAsItIs(value)) return std::string(value);
  std::vector<std::string> words;
  do {
    words.push_back(
        absl::StrCat(kWordStart, absl::Base64Escape(value.substr(0, kBytesOfWord)), kWordEnd));
    value.remove_prefix(std::min(value.size(), kBytesOfWord));
  } while (!value.empty());
  return absl::StrJoin(words, " ");
}

std::string DecodeXattr(absl::string_view text) {
  std::string value;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (!DecodeWord(word, &value)) return std::string(text);
  }
  return text.empty() ? std::string() : value;
}

absl::Status CheckMetadataSize(const ObjectMetadata& metadata) {
  size_t size = 0;
  for (const auto& [name, value] : metadata.user) {
    if (name != kCommitIdName) size += name.size() + value.size();
  }
  size += absl::string_view(kCommitIdName).size() + kCommitIdSize;
  if (size <= kMostUserMetadata) return absl::OkStatus();
  return Error(ENOSPC, absl::StrCat("extended attributes and POSIX attributes would take ", size,
                                    " bytes of user metadata; S3 holds ", kMostUserMetadata));
}

}  // namespace s3files
