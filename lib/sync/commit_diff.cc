#include "lib/sync/commit_diff.h"

#include <algorithm>

namespace s3files {
namespace {

uint64_t Total(const std::vector<ByteRange>& ranges) {
  uint64_t total = 0;
  for (const ByteRange& range : ranges) total += range.size();
  return total;
}

// Bytes of `range` that show the base.
uint64_t FromBase(const Content::Shape& shape, const ByteRange& range) {
  return Total(shape.staged.Missing(Intersect(range, {0, shape.base_visible})));
}

void AddPlan(const Content::Shape& shape, const WritePlan& plan, CommitDiff* diff) {
  if (plan.kind == WritePlan::Kind::kPut) {
    diff->put = 1;
    diff->bytes_out = shape.size;
    diff->bytes_in = FromBase(shape, {0, shape.size});
    return;
  }
  diff->create_upload = diff->complete_upload = 1;
  for (const PlannedPart& part : plan.parts) {
    if (part.copy) {
      ++diff->copy_part;
      diff->bytes_copied += part.range.size();
    } else {
      ++diff->upload_part;
      diff->bytes_out += part.range.size();
      diff->bytes_in += FromBase(shape, part.range);
    }
  }
}

bool Honoured(const CommitDiff& diff, const Version& committed, const Capabilities& can) {
  if (diff.copy > 0) return can.copy_target;
  if (diff.complete_upload > 0) return can.conditional_complete;
  return committed.absent() ? can.conditional_create : can.conditional_replace;
}

}  // namespace

void CommitDiff::Add(const CommitDiff& other) {
  head += other.head;
  put += other.put;
  copy += other.copy;
  create_upload += other.create_upload;
  upload_part += other.upload_part;
  copy_part += other.copy_part;
  complete_upload += other.complete_upload;
  bytes_out += other.bytes_out;
  bytes_copied += other.bytes_copied;
  bytes_in += other.bytes_in;
}

CommitDiff DiffOfContent(const Content::Shape& shape, const Version& committed,
                         const PartPolicy& policy, const Capabilities& capabilities) {
  CommitDiff diff;
  if (shape.is_copy && shape.size <= capabilities.largest_copy) {
    diff.copy = 1;
    diff.bytes_copied = shape.size;
  } else {
    const absl::StatusOr<WritePlan> plan = PlanWrite(
        {shape.size, &shape.staged, shape.base_visible, shape.has_base}, policy, capabilities);
    if (!plan.ok()) return diff;
    AddPlan(shape, *plan, &diff);
  }
  // See WriteGuard: what the store does not compare is compared with a HEAD, before.
  if (committed.unknown() || !Honoured(diff, committed, capabilities)) ++diff.head;
  return diff;
}

CommitDiff DiffOfAttributes(uint64_t size, const PartPolicy& policy,
                            const Capabilities& capabilities) {
  Content::Shape shape;
  shape.size = shape.base_visible = size;
  shape.has_base = shape.is_copy = true;
  CommitDiff diff = DiffOfContent(shape, Version::Absent(), policy, capabilities);
  diff.head = 1;  // what others changed meanwhile is merged
  return diff;
}

}  // namespace s3files
