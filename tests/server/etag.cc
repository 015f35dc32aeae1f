#include "tests/server/etag.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "tests/server/hash.h"
#include "tests/server/s3_error.h"
#include "tests/server/uri.h"

namespace s3files::server {
namespace {

void HashFile(const Extent& extent, Hasher& hasher) {
  constexpr size_t kBufferSize = 256 * 1024;
  auto buffer = std::make_unique<char[]>(kBufferSize);
  int fd = extent.storage->OpenFile();
  for (uint64_t done = 0; done < extent.length;) {
    size_t wanted = std::min<uint64_t>(kBufferSize, extent.length - done);
    ssize_t count = ::pread(fd, buffer.get(), wanted, static_cast<off_t>(extent.offset + done));
    if (count <= 0) {
      ::close(fd);
      throw S3Error("InternalError", "cannot read a stored body");
    }
    hasher.Update({buffer.get(), static_cast<size_t>(count)});
    done += static_cast<uint64_t>(count);
  }
  ::close(fd);
}

std::string FromHex(const std::string& hex) {
  std::string escaped;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) escaped += "%" + hex.substr(i, 2);
  return PercentDecode(escaped).value_or("");
}

}  // namespace

std::string EtagOf(const std::string& md5, const Behaviour& behaviour) {
  return behaviour.fast_etag ? UniqueId() : ToHex(md5);
}

std::string EtagOf(const Blob& blob, const Behaviour& behaviour) {
  if (behaviour.fast_etag) return UniqueId();
  Hasher hasher(Hasher::Algorithm::kMd5);
  for (const Extent& extent : blob.extents()) {
    if (const char* data = extent.storage->data()) {
      hasher.Update({data + extent.offset, extent.length});
    } else {
      HashFile(extent, hasher);
    }
  }
  return ToHex(hasher.Finish());
}

void MultipartEtag::Add(const std::string& part_etag) {
  md5s_ += FromHex(part_etag);
  ++parts_;
}

std::string MultipartEtag::Finish() const {
  return ToHex(Md5(md5s_)) + "-" + std::to_string(parts_);
}

}  // namespace s3files::server
