#ifndef S3FILES_TESTS_SERVER_HASH_H_
#define S3FILES_TESTS_SERVER_HASH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace s3files::server {

// A running digest. The one user of OpenSSL's EVP interface is hash.cc.
class Hasher {
 public:
  enum class Algorithm { kMd5, kSha1, kSha256 };

  explicit Hasher(Algorithm algorithm);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void Update(std::string_view bytes);
  // Returns the raw digest and starts over.
  std::string Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Md5(std::string_view bytes);
std::string Sha256(std::string_view bytes);
std::string Sha256Hex(std::string_view bytes);
std::string HmacSha256(std::string_view key, std::string_view bytes);

std::string ToHex(std::string_view bytes);
std::string ToBase64(std::string_view bytes);
std::optional<std::string> FromBase64(std::string_view text);

// An identifier no other call in any process returns: 32 hex digits.
std::string UniqueId();

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_HASH_H_
