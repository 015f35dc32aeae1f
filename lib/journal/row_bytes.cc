#include "lib/journal/row_bytes.h"

#include "lib/base/hash.h"
#include "lib/base/varint.h"

namespace s3files {
namespace {

constexpr size_t kDigestSize = 8;

std::string Digest(absl::string_view bytes) {
  return std::string(AsBytes(Sha256(bytes)).substr(0, kDigestSize));
}

}  // namespace

std::string SealRow(RowKind kind, absl::string_view body) {
  std::string out;
  AppendVarint(static_cast<uint64_t>(kind), &out);
  out.append(body.data(), body.size());
  return Digest(out) + out;
}

std::optional<RowKind> OpenRow(absl::string_view* bytes) {
  if (bytes->size() <= kDigestSize) return std::nullopt;
  const absl::string_view digest = bytes->substr(0, kDigestSize);
  bytes->remove_prefix(kDigestSize);
  if (Digest(*bytes) != digest) return std::nullopt;
  const uint64_t kind = TakeVarint(bytes);
  if (kind < 1 || kind > static_cast<uint64_t>(RowKind::kBarrier)) return std::nullopt;
  return static_cast<RowKind>(kind);
}

void AppendSigned(int64_t value, std::string* out) {
  AppendVarint(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63), out);
}

int64_t TakeSigned(absl::string_view* bytes) {
  const uint64_t value = TakeVarint(bytes);
  return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

void AppendVersion(const Version& version, std::string* out) {
  AppendVarint(version.absent() ? 0 : version.unknown() ? 1 : 2, out);
  if (!version.known()) return;
  AppendDigest(version.etag(), out);
  AppendText(version.version_id(), out);
}

Version TakeVersion(absl::string_view* bytes) {
  const uint64_t kind = TakeVarint(bytes);
  if (kind == 0) return Version::Absent();
  if (kind == 1) return Version::Unknown();
  const std::string etag = TakeDigest(bytes);
  return Version::Of(etag, TakeText(bytes));
}

}  // namespace s3files
