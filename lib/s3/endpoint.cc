#include "lib/s3/endpoint.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/errors.h"
#include "lib/s3/uri.h"

namespace s3files {
namespace {

bool Only(absl::string_view text, absl::string_view besides) {
  return std::all_of(text.begin(), text.end(), [besides](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           besides.find(c) != absl::string_view::npos;
  });
}

// Upper case and '_' are allowed besides S3's rules: old AWS buckets and other stores have them.
absl::Status CheckBucket(absl::string_view bucket) {
  if (bucket.size() >= 3 && bucket.size() <= 255 && Only(bucket, ".-_") &&
      absl::ascii_isalnum(static_cast<unsigned char>(bucket.front())) &&
      absl::ascii_isalnum(static_cast<unsigned char>(bucket.back())) &&
      !absl::StrContains(bucket, "..")) {
    return absl::OkStatus();
  }
  return Error(EINVAL, absl::StrCat("'", bucket,
                                    "' is not a bucket name: 3 to 63 lower-case "
                                    "letters, digits, '-' and '.'"));
}

bool SafeInHost(absl::string_view bucket) {
  return bucket.size() <= 63 && Only(bucket, "-") &&
         std::none_of(bucket.begin(), bucket.end(),
                      [](char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); });
}

// Is `authority` a host with an optional port? The default port is dropped, as in the Host header.
absl::Status CheckAuthority(absl::string_view url, bool https, std::string& authority) {
  const auto malformed = [url](absl::string_view why) {
    return Error(EINVAL, absl::StrCat("endpoint '", url, "': ", why));
  };
  size_t colon = authority.rfind(':');
  const size_t bracket = authority.rfind(']');
  if (bracket != std::string::npos && colon != std::string::npos && colon < bracket) {
    colon = std::string::npos;  // inside an IPv6 address
  }
  const absl::string_view host = absl::string_view(authority).substr(0, colon);
  const bool v6 = absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  if (host.empty()) return malformed("no host");
  if (!Only(host, v6 ? "[]:." : ".-_")) return malformed("the host has a character it cannot have");
  if (colon == std::string::npos) return absl::OkStatus();
  int port = 0;
  if (!absl::SimpleAtoi(authority.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return malformed("the port is not a number from 1 to 65535");
  }
  if (port == (https ? 443 : 80)) authority.resize(colon);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Endpoint> Endpoint::Create(const EndpointOptions& options) {
  S3FILES_RETURN_IF_ERROR(CheckBucket(options.bucket));
  Endpoint out;
  out.bucket_ = options.bucket;
  out.region_ = options.region.empty() ? "us-east-1" : options.region;
  if (!Only(out.region_, "-_")) {
    return Error(EINVAL, absl::StrCat("'", out.region_, "' is not a region, e.g. us-east-1"));
  }
  if (options.url.empty()) {
    out.host_ =
        absl::StrCat("s3.", out.region_,
                     absl::StartsWith(out.region_, "cn-") ? ".amazonaws.com.cn" : ".amazonaws.com");
  } else {
    absl::string_view rest = options.url;
    // Before any message that repeats the URL.
    if (absl::StrContains(rest, "@")) {
      return Error(EINVAL, "endpoint: credentials do not belong in the URL ('@' of a path is %40)");
    }
    if (absl::ConsumePrefix(&rest, "http://")) {
      out.https_ = false;
    } else if (!absl::ConsumePrefix(&rest, "https://")) {
      return Error(EINVAL,
                   absl::StrCat("endpoint '", options.url, "': begin it with https:// or http://"));
    }
    if (rest.find_first_of("?# ") != absl::string_view::npos) {
      return Error(EINVAL, absl::StrCat("endpoint '", options.url,
                                        "': only scheme, host, port and path belong there"));
    }
    const size_t slash = rest.find('/');
    out.host_ = absl::AsciiStrToLower(rest.substr(0, slash));
    if (slash != absl::string_view::npos) out.base_path_ = std::string(rest.substr(slash));
    while (absl::EndsWith(out.base_path_, "/")) out.base_path_.pop_back();
    S3FILES_RETURN_IF_ERROR(CheckAuthority(options.url, out.https_, out.host_));
  }
  out.aws_ =
      absl::EndsWith(out.host_, ".amazonaws.com") || absl::EndsWith(out.host_, ".amazonaws.com.cn");

  const bool automatic = options.addressing == Addressing::kAuto;
  const bool virtual_host = options.addressing == Addressing::kVirtualHost ||
                            (automatic && out.aws_ && out.https_ && SafeInHost(out.bucket_));
  if (virtual_host) {
    out.host_ = absl::StrCat(absl::AsciiStrToLower(out.bucket_), ".", out.host_);
  } else {
    absl::StrAppend(&out.base_path_, "/", EncodeUri(out.bucket_));
  }
  return out;
}

std::string Endpoint::PathOf(absl::string_view key) const {
  std::string out;
  out.reserve(base_path_.size() + key.size() + 16);
  out.append(base_path_);
  if (!key.empty() || out.empty()) out.push_back('/');
  AppendEncoded(key, true, out);
  return out;
}

std::string Endpoint::UrlOf(absl::string_view path, absl::string_view query) const {
  return absl::StrCat(https_ ? "https://" : "http://", host_, path, query.empty() ? "" : "?",
                      query);
}

}  // namespace s3files
