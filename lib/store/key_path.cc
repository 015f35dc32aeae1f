#include "lib/store/key_path.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace s3files {
namespace {

constexpr size_t kChunk = 80;  // 3 * 80 + 2 bytes at worst

std::string Escaped(absl::string_view name) {
  if (name == "." || name == "..") return absl::StrCat("%2E", name.substr(1));
  std::string out;
  out.reserve(name.size());
  for (const char c : name) {
    if (c == '%') {
      out += "%25";
    } else if (c == '\0') {
      out += "%00";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string Unescaped(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || text.size() - i < 3) {
      out.push_back(text[i]);
      continue;
    }
    const absl::string_view code = text.substr(i + 1, 2);
    out.push_back(code == "25" ? '%' : code == "2E" ? '.' : '\0');
    i += 2;
  }
  return out;
}

}  // namespace

std::string PathOfKey(absl::string_view key) {
  std::string path;
  for (;;) {
    const size_t slash = key.find('/');
    absl::string_view name = key.substr(0, slash);
    for (; name.size() >= kChunk; name.remove_prefix(kChunk)) {
      absl::StrAppend(&path, Escaped(name.substr(0, kChunk)), "%+/");
    }
    if (slash == absl::string_view::npos) {
      absl::StrAppend(&path, name.empty() ? "%-" : Escaped(name));
      return path;
    }
    absl::StrAppend(&path, Escaped(name), "%/");
    key.remove_prefix(slash + 1);
  }
}

TreeEntry EntryOfFile(absl::string_view file) {
  if (file == "%-") return {"", TreeEntry::kObject};
  if (absl::EndsWith(file, "%+")) {
    return {Unescaped(file.substr(0, file.size() - 2)), TreeEntry::kContinued};
  }
  if (absl::EndsWith(file, "%")) {
    return {Unescaped(file.substr(0, file.size() - 1)) + '/', TreeEntry::kFolder};
  }
  return {Unescaped(file), TreeEntry::kObject};
}

std::string FileOfEntry(const TreeEntry& entry) {
  const absl::string_view name = entry.name;
  switch (entry.kind) {
    case TreeEntry::kFolder:
      return absl::StrCat(Escaped(name.substr(0, name.size() - 1)), "%");
    case TreeEntry::kContinued:
      return absl::StrCat(Escaped(name), "%+");
    case TreeEntry::kObject:
      break;
  }
  return name.empty() ? "%-" : Escaped(name);
}

}  // namespace s3files
