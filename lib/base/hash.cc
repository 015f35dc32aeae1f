#include "lib/base/hash.h"

#include <openssl/evp.h>

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace s3files {
namespace {

// Fetched once: with OpenSSL 3 a fetch costs more than hashing a short string.
const EVP_MD* Sha256Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

// MD5 is a checksum here (Content-MD5), so it must work where FIPS mode bars it as a signature.
const EVP_MD* Md5Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "MD5", "-fips");
  return algorithm;
}

// The library cannot sign anything without its digests; there is no sensible way to go on.
void Require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

Sha256Digest Sha256(absl::string_view bytes) {
  Sha256Digest digest;
  unsigned int size = 0;
  Require(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, Sha256Algorithm(),
                     nullptr) == 1);
  return digest;
}

Sha256Digest HmacSha256(absl::string_view key, absl::string_view bytes) {
  // By hand (RFC 2104): OpenSSL 3's HMAC() fetches its algorithm on every call.
  constexpr size_t kBlock = 64;
  unsigned char inner[kBlock] = {};
  unsigned char outer[kBlock];
  if (key.size() > kBlock) {
    const Sha256Digest hashed = Sha256(key);
    std::copy(hashed.begin(), hashed.end(), inner);
  } else {
    std::copy(key.begin(), key.end(), inner);
  }
  for (size_t i = 0; i < kBlock; ++i) {
    outer[i] = inner[i] ^ 0x5c;
    inner[i] ^= 0x36;
  }
  Sha256Stream first;
  first.Update(absl::string_view(reinterpret_cast<const char*>(inner), kBlock));
  first.Update(bytes);
  const Sha256Digest middle = first.Finish();
  Sha256Stream second;
  second.Update(absl::string_view(reinterpret_cast<const char*>(outer), kBlock));
  second.Update(AsBytes(middle));
  return second.Finish();
}

Md5Digest Md5(absl::string_view bytes) {
  Md5Digest digest;
  unsigned int size = 0;
  Require(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, Md5Algorithm(), nullptr) ==
          1);
  return digest;
}

struct Sha256Stream::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  Require(state_->context != nullptr &&
          EVP_DigestInit_ex2(state_->context, Sha256Algorithm(), nullptr) == 1);
}

Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::Update(absl::string_view bytes) {
  Require(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256Stream::Finish() {
  Sha256Digest digest;
  unsigned int size = 0;
  Require(EVP_DigestFinal_ex(state_->context, digest.data(), &size) == 1);
  return digest;
}

std::string Hex(absl::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const unsigned char c : bytes) {
    out.push_back(kDigits[c >> 4]);
    out.push_back(kDigits[c & 15]);
  }
  return out;
}

std::string Base64(absl::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends it with a NUL
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

std::string RandomId() {
  std::array<unsigned char, 16> bytes;
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (got < 0) {
      Require(errno == EINTR);
      continue;
    }
    filled += static_cast<size_t>(got);
  }
  return Hex(AsBytes(bytes));
}

}  // namespace s3files
