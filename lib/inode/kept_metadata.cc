#include "lib/inode/kept_metadata.h"

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"

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

// Seven bits a byte, the lowest first; all but the last have the eighth.
void Append(absl::string_view text, std::string* out) {
  size_t size = text.size();
  for (; size >= 0x80; size >>= 7) out->push_back(static_cast<char>(size | 0x80));
  out->push_back(static_cast<char>(size));
  out->append(text.data(), text.size());
}

std::string Next(absl::string_view* packed) {
  size_t size = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(packed->front());
    packed->remove_prefix(1);
    size |= static_cast<size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  std::string text(packed->substr(0, size));
  packed->remove_prefix(size);
  return text;
}

}  // namespace

KeptMetadata::KeptMetadata(const ObjectMetadata& metadata) {
  std::string packed;
  for (const std::string* field : Fields(metadata)) Append(*field, &packed);
  for (const auto& [name, value] : metadata.user) {
    Append(name, &packed);
    Append(value, &packed);
  }
  if (packed.find_first_not_of('\0') != std::string::npos) packed_ = std::string(packed);
  packed_.shrink_to_fit();
}

ObjectMetadata KeptMetadata::Get() const {
  ObjectMetadata metadata;
  if (packed_.empty()) return metadata;
  absl::string_view packed = packed_;
  for (std::string* field : Fields(metadata)) *field = Next(&packed);
  while (!packed.empty()) {
    std::string name = Next(&packed);
    metadata.user[std::move(name)] = Next(&packed);
  }
  return metadata;
}

}  // namespace s3files
