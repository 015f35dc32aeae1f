// What a commit sends: a range of a snapshot as a request's body.
#ifndef S3FILES_LIB_CONTENT_SNAPSHOT_SOURCE_H_
#define S3FILES_LIB_CONTENT_SNAPSHOT_SOURCE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/base/byte_range.h"
#include "lib/base/bytes.h"
#include "lib/base/call_context.h"
#include "lib/content/content.h"
#include "lib/content/fetcher.h"
#include "lib/content/overlay.h"

namespace s3files {

// What lies in the store is brought here first, as far as memory goes into blocks, else into a file:
// a body is read by the threads that do the network's work, and must never wait for the network
// itself. For one thread at a time.
class SnapshotSource final : public ByteSource {
 public:
  // `snapshot` outlives it; `range` lies within its size.
  SnapshotSource(Fetcher* fetcher, SpillArea* spill, const Snapshot* snapshot, ByteRange range)
      : fetcher_(fetcher),
        snapshot_(snapshot),
        range_(range),
        brought_(0, fetcher->cache(), spill) {}

  // To be called once, before Read. ESTALE: the base's version is gone. ENOSPC: there is no room for
  // what must be brought. Without success Read gives zeros in place of the base's bytes.
  absl::Status Bring(const CallContext& call);

  uint64_t size() const override { return range_.size(); }
  absl::Status Read(uint64_t offset, absl::Span<char> out) override;

 private:
  absl::Status BringRange(const CallContext& call, const ByteRange& wanted);

  Fetcher* const fetcher_;
  const Snapshot* const snapshot_;
  const ByteRange range_;
  Overlay brought_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_CONTENT_SNAPSHOT_SOURCE_H_
