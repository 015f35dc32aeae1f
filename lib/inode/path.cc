#include "lib/inode/path.h"

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

bool IsDots(absl::string_view name) { return name == "." || name == ".."; }

}  // namespace

Path Path::Parent() const {
  Path parent;
  if (!IsRoot()) parent.components.assign(components.begin(), components.end() - 1);
  return parent;
}

Path Path::Child(absl::string_view name) const {
  Path child;
  child.components.reserve(components.size() + 1);
  child.components = components;
  child.components.emplace_back(name);
  return child;
}

std::string Path::ToString() const { return absl::StrCat("/", absl::StrJoin(components, "/")); }

absl::StatusOr<Path> ResolvePath(const Path& at, absl::string_view path, absl::string_view prefix) {
  Path resolved;
  if (!absl::StartsWith(path, "/")) resolved.components = at.components;
  for (absl::string_view name : absl::StrSplit(path, '/')) {
    resolved.must_be_directory = !path.empty() && (name.empty() || IsDots(name));
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (!resolved.IsRoot()) resolved.components.pop_back();
      continue;
    }
    S3FILES_RETURN_IF_ERROR(CheckComponent(name));
    resolved.components.emplace_back(name);
  }
  S3FILES_RETURN_IF_ERROR(CheckKeyLength(KeyOf(prefix, resolved)));
  return resolved;
}

std::string KeyOf(absl::string_view prefix, const Path& path) {
  return absl::StrCat(prefix, absl::StrJoin(path.components, "/"));
}

std::string DirectoryKeyOf(absl::string_view prefix, const Path& path) {
  std::string key = KeyOf(prefix, path);
  if (!path.IsRoot()) key += '/';
  return key;
}

absl::Status CheckKeyLength(absl::string_view key) {
  if (key.size() <= kLongestKey) return absl::OkStatus();
  return Error(ENAMETOOLONG, absl::StrCat("the object key of the path has ", key.size(),
                                          " bytes, the store takes ", kLongestKey,
                                          "; shorten the path (key ", Shown(key), ")"));
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

std::optional<Path> PathFromKey(absl::string_view key, absl::string_view prefix) {
  if (!absl::ConsumePrefix(&key, prefix)) return std::nullopt;
  Path path;
  path.must_be_directory = key.empty() || absl::EndsWith(key, "/");
  if (key.empty()) return path;
  absl::ConsumeSuffix(&key, "/");
  for (absl::string_view name : absl::StrSplit(key, '/')) {
    if (!IsValidName(name)) return std::nullopt;
    path.components.emplace_back(name);
  }
  return path;
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
