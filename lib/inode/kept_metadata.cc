#include "lib/inode/kept_metadata.h"

#include <array>
#include <cstdint>
#include <utility>

#include "lib/base/varint.h"

namespace s3files {
namespace {

// All but `user`.
template <typename Metadata>
auto Fields(Metadata& metadata) {
  return std::array{&metadata.content_type,     &metadata.content_encoding,
                    &metadata.content_language, &metadata.content_disposition,
                    &metadata.cache_control,    &metadata.expires,
                    &metadata.storage_class,    &metadata.encryption,
                    &metadata.encryption_key,   &metadata.encryption_bucket_key};
}

// Stands for the name that every object of ours has; no header's name can have this byte.
constexpr absl::string_view kCommitIdMark = "\x01";

}  // namespace

KeptMetadata::KeptMetadata(const ObjectMetadata& metadata) {
  uint64_t set = 0;
  std::string bytes;
  uint64_t bit = 1;
  for (const std::string* field : Fields(metadata)) {
    if (!field->empty()) {
      set |= bit;
      AppendText(*field, &bytes);
    }
    bit <<= 1;
  }
  for (const auto& [name, value] : metadata.user) {
    AppendText(name == kCommitIdName ? kCommitIdMark : name, &bytes);
    AppendDigest(value, &bytes);
  }
  if (bytes.empty()) return;
  AppendVarint(set, &bytes_);
  bytes_.append(bytes);
  bytes_.shrink_to_fit();
}

KeptMetadata KeptMetadata::Of(absl::string_view bytes) {
  KeptMetadata kept;
  kept.bytes_ = std::string(bytes);
  return kept;
}

ObjectMetadata KeptMetadata::Get() const {
  ObjectMetadata metadata;
  if (bytes_.empty()) return metadata;
  absl::string_view bytes = bytes_;
  uint64_t set = TakeVarint(&bytes);
  for (std::string* field : Fields(metadata)) {
    if ((set & 1) != 0) *field = std::string(TakeText(&bytes));
    set >>= 1;
  }
  while (!bytes.empty()) {
    const absl::string_view name = TakeText(&bytes);
    metadata.user[std::string(name == kCommitIdMark ? kCommitIdName : name)] = TakeDigest(&bytes);
  }
  return metadata;
}

}  // namespace s3files
