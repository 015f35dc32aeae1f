// Whatever a caller names stays under the prefix, and a path's key names the path again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "lib/inode/path.h"

namespace {

constexpr char kPrefix[] = "some/prefix/";

void Require(bool truth) {
  if (!truth) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  s3files::PathFromKey(text, kPrefix);
  s3files::NormalizePrefix(text).IgnoreError();

  const absl::StatusOr<s3files::Path> path = s3files::ResolvePath({{"at"}}, text, kPrefix);
  if (!path.ok() || path->IsRoot()) return 0;
  const std::string key = s3files::KeyOf(kPrefix, *path);
  Require(absl::StartsWith(key, kPrefix) && key.size() <= s3files::kLongestKey);
  const std::optional<s3files::Path> again = s3files::PathFromKey(key, kPrefix);
  Require(again.has_value() && *again == *path);
  return 0;
}
