#include "tests/server/request.h"

#include <charconv>

#include "tests/server/s3_error.h"

namespace s3files::server {
namespace {

// "bucket.localhost:9000" -> "bucket" for the domain "localhost"; empty: path style.
std::string BucketOfHost(std::string_view host, const std::vector<std::string>& domains) {
  host = host.substr(0, host.rfind(':'));
  for (const std::string& domain : domains) {
    if (host == domain) return "";
    if (host.size() > domain.size() + 1 && host.ends_with("." + domain)) {
      return std::string(host.substr(0, host.size() - domain.size() - 1));
    }
  }
  return "";
}

// The length of the sequence that begins with `lead`, 0 for a byte that begins none.
size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

}  // namespace

std::optional<std::string> Request::Header(std::string_view name) const {
  std::optional<std::string> joined;
  for (const auto& [header, value] : headers) {
    if (header != name) continue;
    joined = joined ? *joined + "," + value : value;
  }
  return joined;
}

std::optional<std::string> Request::Query(std::string_view name) const {
  for (const QueryParameter& parameter : query) {
    if (parameter.name == name) return parameter.value;
  }
  return std::nullopt;
}

void ResolveTarget(const std::vector<std::string>& domains, Request& request) {
  std::string_view target = request.target;
  size_t mark = target.find('?');
  auto path = PercentDecode(target.substr(0, mark));
  auto query = ParseQuery(mark == target.npos ? "" : target.substr(mark + 1));
  if (!path || !query || !path->starts_with('/') || !IsUtf8(*path)) throw S3Error("InvalidURI");
  request.path = std::move(*path);
  request.query = std::move(*query);

  request.bucket = BucketOfHost(request.HeaderOr("host"), domains);
  if (!request.bucket.empty()) {
    request.key = request.path.substr(1);
    return;
  }
  size_t slash = request.path.find('/', 1);
  request.bucket = request.path.substr(1, slash - 1);
  if (slash != request.path.npos) request.key = request.path.substr(slash + 1);
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    size_t length = SequenceLength(text[i]);
    if (length == 0 || i + length > text.size()) return false;
    for (size_t j = 1; j < length; ++j) {
      if ((static_cast<unsigned char>(text[i + j]) & 0xc0) != 0x80) return false;
    }
    // Overlong forms and surrogates.
    unsigned char second = length > 2 ? text[i + 1] : 0;
    unsigned char lead = text[i];
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) {
      return false;
    }
    i += length;
  }
  return true;
}

}  // namespace s3files::server
