// Digests, hex and base64 (the one user of OpenSSL's libcrypto), and random ids.
#ifndef S3FILES_LIB_BASE_HASH_H_
#define S3FILES_LIB_BASE_HASH_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace s3files {

using Sha256Digest = std::array<unsigned char, 32>;
using Md5Digest = std::array<unsigned char, 16>;

Sha256Digest Sha256(absl::string_view bytes);
Sha256Digest HmacSha256(absl::string_view key, absl::string_view bytes);
Md5Digest Md5(absl::string_view bytes);

// For bytes that come in pieces. Not thread-safe.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  void Update(absl::string_view bytes);
  Sha256Digest Finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Hex(absl::string_view bytes);  // lower case
std::string Base64(absl::string_view bytes);
template <size_t N>
absl::string_view AsBytes(const std::array<unsigned char, N>& digest) {
  return absl::string_view(reinterpret_cast<const char*>(digest.data()), N);
}

// 32 hex digits from the system's random source: commit ids, temporary names.
std::string RandomId();

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_HASH_H_
