#include "tests/server/range.h"

#include <algorithm>
#include <string>

#include "tests/server/request.h"
#include "tests/server/s3_error.h"

namespace s3files::server {
namespace {

[[noreturn]] void Unsatisfiable(std::string_view header, uint64_t size) {
  throw S3Error("InvalidRange")
      .With("RangeRequested", std::string(header))
      .With("ActualObjectSize", std::to_string(size));
}

}  // namespace

std::optional<ByteRange> ReadRange(std::string_view header, uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return std::nullopt;
  std::string_view range = header.substr(kUnit.size());
  size_t dash = range.find('-');
  if (dash == range.npos) return std::nullopt;
  auto first = ParseNumber(range.substr(0, dash));
  auto last = ParseNumber(range.substr(dash + 1));
  bool to_end = dash + 1 == range.size();

  if (dash == 0) {  // the last bytes
    if (!last) return std::nullopt;
    if (*last == 0 || size == 0) Unsatisfiable(header, size);
    uint64_t length = std::min(*last, size);
    return ByteRange{size - length, length};
  }
  if (!first || (!last && !to_end) || (last && *last < *first)) return std::nullopt;
  if (*first >= size) Unsatisfiable(header, size);
  uint64_t end = to_end ? size - 1 : std::min(*last, size - 1);
  return ByteRange{*first, end - *first + 1};
}

}  // namespace s3files::server
