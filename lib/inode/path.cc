#include "lib/inode/path.h"

#include <cerrno>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

// Messages have a limited room, and the beginning of a long name tells enough.
std::string Shown(absl::string_view name) {
  constexpr size_t kShown = 60;
  if (name.size() <= kShown) return absl::StrCat("'", name, "'");
  return absl::StrCat("'", name.substr(0, kShown), "...'");
}

absl::Status CheckComponent(absl::string_view name) {
  if (name.find('\0') != absl::string_view::npos) {
    return Error(EINVAL, "the path contains a NUL byte; remove it");
  }
  if (name.size() > kLongestName) {
    return Error(ENAMETOOLONG, absl::StrCat("path component ", Shown(name), " has ", name.size(),
                                            " bytes; shorten it to at most ", kLongestName));
  }
  return absl::OkStatus();
}

bool IsUtf8(absl::string_view text) {
  // The least code point that takes as many bytes after the first.
  static constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i++]);
    if (first < 0x80) continue;
    if (first < 0xc0 || first > 0xf4) return false;
    const size_t more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t point = first & (0x3f >> more);
    for (const size_t end = i + more; i < end; ++i) {
      if (i == text.size() || (text[i] & 0xc0) != 0x80) return false;
      point = point << 6 | (text[i] & 0x3f);
    }
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    if (point < kLeast[more] || point > 0x10ffff || surrogate) return false;
  }
  return true;
}

bool IsDots(absl::string_view name) { return name == "." || name == ".."; }

}  // namespace

absl::StatusOr<PathSteps> SplitPath(absl::string_view path) {
  PathSteps split;
  split.absolute = absl::StartsWith(path, "/");
  for (absl::string_view name : absl::StrSplit(path, '/')) {
    split.must_be_directory = !path.empty() && (name.empty() || IsDots(name));
    if (name.empty() || name == ".") continue;
    S3FILES_RETURN_IF_ERROR(CheckComponent(name));
    split.steps.emplace_back(name);
  }
  return split;
}

absl::Status CheckKeyLength(absl::string_view key) {
  if (key.size() <= kLongestKey) return absl::OkStatus();
  return Error(ENAMETOOLONG, absl::StrCat("the object key of the path has ", key.size(),
                                          " bytes, the store takes ", kLongestKey,
                                          "; shorten the path (key ", Shown(key), ")"));
}

absl::Status CheckUtf8(absl::string_view key) {
  if (IsUtf8(key)) return absl::OkStatus();
  return Error(EILSEQ, absl::StrCat("the store's keys are UTF-8, which ", Shown(key),
                                    " is not; give it another name"));
}

bool IsValidName(absl::string_view name) {
  return !name.empty() && name.size() <= kLongestName && !IsDots(name) &&
         name.find('/') == absl::string_view::npos && name.find('\0') == absl::string_view::npos;
}

std::optional<std::string> NameFromKey(absl::string_view key, absl::string_view directory_key) {
  if (!absl::ConsumePrefix(&key, directory_key)) return std::nullopt;
  absl::ConsumeSuffix(&key, "/");
  if (!IsValidName(key)) return std::nullopt;
  return std::string(key);
}

absl::StatusOr<std::string> NormalizePrefix(absl::string_view prefix) {
  absl::ConsumeSuffix(&prefix, "/");
  if (prefix.empty()) return std::string();
  for (absl::string_view name : absl::StrSplit(prefix, '/')) {
    if (name.empty() || IsDots(name)) {
      return Error(
          EINVAL, absl::StrCat("prefix ", Shown(prefix), " has ",
                               name.empty() ? "a leading or double '/'" : "a '.' or '..' component",
                               "; write it as a/b"));
    }
    if (name.find('\0') != absl::string_view::npos) {
      return Error(EINVAL, "the prefix contains a NUL byte; remove it");
    }
  }
  if (prefix.size() + 2 > kLongestKey) {  // its '/' and one byte of a name
    return Error(ENAMETOOLONG, absl::StrCat("prefix ", Shown(prefix), " has ", prefix.size(),
                                            " bytes and leaves no room for names in keys of ",
                                            kLongestKey, "; shorten it"));
  }
  return absl::StrCat(prefix, "/");
}

}  // namespace s3files
