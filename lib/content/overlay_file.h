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
  bool named = false;     // files have names, so that a journal can refer to them
  std::atomic<uint64_t> bytes{0};
};

// A sparse file; where the area has no names it is gone with the process, however that ends. Offsets
// are those of the file whose overlay it holds. Const calls are thread-safe among each other.
class OverlayFile {
 public:
  // ENOSPC where spilling is off.
  static absl::StatusOr<std::unique_ptr<OverlayFile>> Create(SpillArea* area);
  // One that was kept, with the bytes `written`. EIO: it is not there, or too short.
  static absl::StatusOr<std::unique_ptr<OverlayFile>> Open(SpillArea* area, const std::string& name,
                                                           const RangeSet& written);
  ~OverlayFile();  // removes the file unless it is kept

  const std::string& name() const { return name_; }  // in the area's directory; empty: none
  // From now on the file is the journal's to remove, and what it holds is not given back.
  void Keep() { kept_ = true; }
  // Returns when the bytes would survive a loss of power. EIO: they may be lost; said from then on,
  // since a second fsync of what the system could not write succeeds.
  absl::Status Sync() const;

  // Makes sure that a Write to `range` will not run out of space; where writes follow each other,
  // more than that is taken, if it can be had. ENOSPC.
  absl::Status Reserve(const ByteRange& range);
  // The range is reserved.
  absl::Status Write(uint64_t offset, absl::Span<const char> bytes);
  // Gives back what lies beyond `size`.
  void Truncate(uint64_t size);
  absl::Status Read(uint64_t offset, absl::Span<char> out) const;

 private:
  OverlayFile(SpillArea* area, int fd, std::string name);
  // Allocates a run of blocks from `begin` to at least `end`, if that can be had.
  bool ReserveAhead(uint64_t begin, uint64_t end);

  SpillArea* const area_;
  const int fd_;
  const std::string name_;
  bool kept_ = false;
  mutable std::atomic<bool> broken_{false};  // see Sync
  const uint64_t largest_;                   // RLIMIT_FSIZE: beyond it there would be a signal
  RangeSet reserved_;                        // what the file has room for
  RangeSet written_;                         // counted in the area
};

}  // namespace s3files

#endif  // S3FILES_LIB_CONTENT_OVERLAY_FILE_H_
