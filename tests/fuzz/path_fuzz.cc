// Whatever a caller names is a valid name at every step, so that its key stays under the prefix.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/status/statusor.h"
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
  s3files::NormalizePrefix(text).IgnoreError();
  const absl::StatusOr<s3files::PathSteps> path = s3files::SplitPath(text);
  if (!path.ok()) return 0;
  for (const std::string& step : path->steps) {
    Require(step == ".." || s3files::IsValidName(step));
    if (step == "..") continue;
    Require(s3files::NameFromKey(kPrefix + step, kPrefix) == step);
  }
  return 0;
}
