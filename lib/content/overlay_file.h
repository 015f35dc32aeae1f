// The file that holds an overlay's bytes which found no room in the pool.
#ifndef S3FILES_LIB_CONTENT_OVERLAY_FILE_H_
#define S3FILES_LIB_CONTENT_OVERLAY_FILE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/byte_range.h"

namespace s3files {

// Where overlays spill to, and how many staged bytes lie there. Thread-safe.
struct SpillArea {
  std::string directory;  // empty = spilling is off
  std::atomic<uint64_t> bytes{0};
};

// A sparse, unlinked temporary file: gone with the process, however it ends. Offsets are those of
// the file whose overlay it holds. Const calls are thread-safe among each other.
class OverlayFile {
 public:
  // ENOSPC where spilling is off.
  static absl::StatusOr<std::unique_ptr<OverlayFile>> Create(SpillArea* area);
  ~OverlayFile();

  // Makes sure that a Write to `range` will not run out of space; where writes follow each other,
  // more than that is taken, if it can be had. ENOSPC.
  absl::Status Reserve(const ByteRange& range);
  // The range is reserved.
  absl::Status Write(uint64_t offset, absl::Span<const char> bytes);
  // Gives back what lies beyond `size`.
  void Truncate(uint64_t size);
  absl::Status Read(uint64_t offset, absl::Span<char> out) const;

 private:
  OverlayFile(SpillArea* area, int fd);
  // Allocates a run of blocks from `begin` to at least `end`, if that can be had.
  bool ReserveAhead(uint64_t begin, uint64_t end);

  SpillArea* const area_;
  const int fd_;
  const uint64_t largest_;  // RLIMIT_FSIZE: beyond it there would be a signal
  RangeSet reserved_;       // what the file has room for
  RangeSet written_;        // counted in the area
};

}  // namespace s3files

#endif  // S3FILES_LIB_CONTENT_OVERLAY_FILE_H_
