// How an object's new content travels: in one PUT, or in which parts, and which of these the store
// copies from the old version by itself. Pure arithmetic (DESIGN.md, decisions 9 and 10).
#ifndef S3FILES_LIB_SYNC_WRITE_PLAN_H_
#define S3FILES_LIB_SYNC_WRITE_PLAN_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/byte_range.h"
#include "lib/store/capabilities.h"

namespace s3files {

struct PlannedPart {
  uint32_t number = 0;  // from 1
  ByteRange range;      // of the new content
  bool copy = false;    // the same range of the base, by UploadPartCopy; else uploaded
};

struct WritePlan {
  enum class Kind { kPut, kMultipart };
  Kind kind = Kind::kPut;
  std::vector<PlannedPart> parts;  // tile the content in order; empty for kPut
  uint64_t copied_bytes = 0;
};

// Where the bytes of the new content are. Staged wins over base; the rest are zeros.
struct WriteShape {
  uint64_t size = 0;                 // of the new content
  const RangeSet* staged = nullptr;  // bytes in the overlay; nullptr = none
  uint64_t base_visible = 0;         // [0, base_visible) of the base shows where nothing is staged
  bool has_base = false;             // false: base_visible counts as 0
};

struct PartPolicy {
  uint64_t part_size = uint64_t{8} << 20;             // raised or lowered to what is legal
  uint64_t multipart_threshold = uint64_t{16} << 20;  // the largest content sent by one PUT
};

// Content up to the threshold (and largest_put) is one PUT. Larger content is uploaded in parts of
// about part_size, larger where most_parts would not do. Where the store can copy parts, large
// untouched ranges of the base become copies, chosen so that the fewest bytes are uploaded while
// every part but the last stays legal; zeros that no object holds are uploaded.
// EFBIG: beyond largest_object, or beyond what most_parts of largest_part can hold.
absl::StatusOr<WritePlan> PlanWrite(const WriteShape& shape, const PartPolicy& policy,
                                    const Capabilities& capabilities);

// Parts of an upload whose length is not known yet. The first parts have part_size, later ones
// double in steps that begin as late as still lets most_parts reach largest_object. With
// equal_parts all have part_size: such an upload ends at StreamingPartRange(most_parts).end, and
// larger content has to be sent again by PlanWrite. `number` is from 1; O(1).
uint64_t StreamingPartSize(uint32_t number, const PartPolicy& policy,
                           const Capabilities& capabilities);
ByteRange StreamingPartRange(uint32_t number, const PartPolicy& policy,
                             const Capabilities& capabilities);

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_WRITE_PLAN_H_
