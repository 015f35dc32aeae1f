#include "tests/server/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <cstdlib>

namespace s3files::server {
namespace {

const EVP_MD* Find(Hasher::Algorithm algorithm) {
  switch (algorithm) {
    case Hasher::Algorithm::kMd5:
      return EVP_md5();
    case Hasher::Algorithm::kSha1:
      return EVP_sha1();
    case Hasher::Algorithm::kSha256:
      return EVP_sha256();
  }
  std::abort();
}

std::string DigestOf(Hasher::Algorithm algorithm, std::string_view bytes) {
  Hasher hasher(algorithm);
  hasher.Update(bytes);
  return hasher.Finish();
}

const unsigned char* Unsigned(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

struct Hasher::State {
  explicit State(Algorithm algorithm) : md(Find(algorithm)), context(EVP_MD_CTX_new()) {
    if (context == nullptr) std::abort();
    EVP_DigestInit_ex(context, md, nullptr);
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  const EVP_MD* md;
  EVP_MD_CTX* context;
};

Hasher::Hasher(Algorithm algorithm) : state_(std::make_unique<State>(algorithm)) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Update(std::string_view bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Hasher::Finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, digest.data(), &size);
  EVP_DigestInit_ex(state_->context, state_->md, nullptr);
  return std::string(reinterpret_cast<const char*>(digest.data()), size);
}

std::string Md5(std::string_view bytes) { return DigestOf(Hasher::Algorithm::kMd5, bytes); }

std::string Sha256(std::string_view bytes) { return DigestOf(Hasher::Algorithm::kSha256, bytes); }

std::string Sha256Hex(std::string_view bytes) { return ToHex(Sha256(bytes)); }

std::string HmacSha256(std::string_view key, std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Unsigned(bytes), bytes.size(),
       digest.data(), &size);
  return std::string(reinterpret_cast<const char*>(digest.data()), size);
}

std::string ToHex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (unsigned char byte : bytes) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

std::string ToBase64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends with a NUL
  int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), Unsigned(bytes),
                             static_cast<int>(bytes.size()));
  text.resize(size);
  return text;
}

std::optional<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes(text.size() / 4 * 3 + 1, '\0');
  int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), Unsigned(text),
                             static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  // EVP_DecodeBlock counts the padding as bytes.
  for (size_t i = text.size(); i > 0 && text[i - 1] == '=' && size > 0; --i) --size;
  bytes.resize(size);
  return bytes;
}

std::string UniqueId() {
  std::array<unsigned char, 16> random;
  if (RAND_bytes(random.data(), random.size()) != 1) std::abort();
  return ToHex({reinterpret_cast<const char*>(random.data()), random.size()});
}

}  // namespace s3files::server
