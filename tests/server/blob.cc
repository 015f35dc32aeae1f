#include "tests/server/blob.h"

#include <algorithm>
#include <utility>

namespace s3files::server {

void Blob::Append(Extent extent) {
  if (extent.length == 0) return;
  size_ += extent.length;
  extents_.push_back(std::move(extent));
}

void Blob::Append(const Blob& other) {
  for (const Extent& extent : other.extents_) Append(extent);
}

Blob Blob::Slice(uint64_t offset, uint64_t length) const {
  Blob slice;
  for (const Extent& extent : extents_) {
    if (offset >= extent.length) {
      offset -= extent.length;
      continue;
    }
    uint64_t taken = std::min(length, extent.length - offset);
    slice.Append({extent.storage, extent.offset + offset, taken});
    length -= taken;
    if (length == 0) break;
    offset = 0;
  }
  return slice;
}

}  // namespace s3files::server
