#include "tests/server/sigv4.h"

#include <algorithm>
#include <utility>

#include "tests/server/hash.h"

namespace s3files::server {
namespace {

std::string CanonicalQuery(const Request& request) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const QueryParameter& parameter : request.query) {
    if (parameter.name == "X-Amz-Signature") continue;
    pairs.emplace_back(PercentEncode(parameter.name, false), PercentEncode(parameter.value, false));
  }
  std::ranges::sort(pairs);
  std::string canonical;
  for (const auto& [name, value] : pairs) {
    if (!canonical.empty()) canonical += '&';
    canonical += name + "=" + value;
  }
  return canonical;
}

// Runs of blanks count as one.
std::string Collapse(std::string_view value) {
  std::string collapsed;
  for (char c : value) {
    if (c == ' ' && (collapsed.empty() || collapsed.back() == ' ')) continue;
    collapsed.push_back(c);
  }
  if (collapsed.ends_with(' ')) collapsed.pop_back();
  return collapsed;
}

}  // namespace

std::string CanonicalRequest(const Request& request, const std::vector<std::string>& signed_headers,
                             std::string_view payload_hash) {
  std::string canonical = request.method + "\n" + PercentEncode(request.path, true) + "\n" +
                          CanonicalQuery(request) + "\n";
  std::string names;
  for (const std::string& name : signed_headers) {
    canonical += name + ":" + Collapse(request.HeaderOr(name)) + "\n";
    if (!names.empty()) names += ';';
    names += name;
  }
  canonical += "\n" + names + "\n";
  canonical += payload_hash;
  return canonical;
}

std::string StringToSign(std::string_view date, std::string_view scope,
                         std::string_view canonical_request) {
  return "AWS4-HMAC-SHA256\n" + std::string(date) + "\n" + std::string(scope) + "\n" +
         Sha256Hex(canonical_request);
}

std::string SigningKey(const std::string& secret, const std::string& scope) {
  std::string key = "AWS4" + secret;
  for (std::string_view rest = scope; !rest.empty();) {
    std::string_view step = rest.substr(0, rest.find('/'));
    key = HmacSha256(key, step);
    rest.remove_prefix(std::min(rest.size(), step.size() + 1));
  }
  return key;
}

std::string Sign(const std::string& signing_key, std::string_view string_to_sign) {
  return ToHex(HmacSha256(signing_key, string_to_sign));
}

}  // namespace s3files::server
