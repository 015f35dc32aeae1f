#include "lib/content/snapshot_source.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "lib/base/errors.h"

namespace s3files {

absl::Status SnapshotSource::Bring(const CallContext& call) {
  RangeSet staged;
  if (snapshot_->overlay != nullptr) {
    for (const ByteRange& piece : snapshot_->overlay->staged().Within(range_)) staged.Add(piece);
  }
  for (const ByteRange& missing : staged.Missing(range_)) {
    const ByteRange wanted = Intersect(missing, {0, snapshot_->base_visible()});
    if (!wanted.empty()) S3FILES_RETURN_IF_ERROR(BringRange(call, wanted));
  }
  return absl::OkStatus();
}

absl::Status SnapshotSource::BringRange(const CallContext& call, const ByteRange& wanted) {
  // One block is fetched by who needs it: another thread would only take the failure away.
  const bool one_block = wanted.begin / kBlockSize == (wanted.end - 1) / kBlockSize;
  if (!one_block) fetcher_->ReadAhead(snapshot_->base, wanted);
  std::vector<char> buffer(kBlockSize);
  for (uint64_t at = wanted.begin; at < wanted.end;) {
    const uint64_t n = std::min(wanted.end - at, kBlockSize - at % kBlockSize);
    const absl::Span<char> bytes(buffer.data(), n);
    S3FILES_RETURN_IF_ERROR(fetcher_->Read(call, snapshot_->base, at, bytes));
    S3FILES_RETURN_IF_ERROR(brought_.Write(at, bytes));
    at += n;
  }
  return absl::OkStatus();
}

absl::Status SnapshotSource::Read(uint64_t offset, absl::Span<char> out) {
  const uint64_t origin = range_.begin + offset;
  std::memset(out.data(), 0, out.size());  // holes
  for (const Overlay* layer : {snapshot_->overlay.get(), static_cast<const Overlay*>(&brought_)}) {
    if (layer == nullptr) continue;
    for (const ByteRange& piece : layer->staged().Within({origin, origin + out.size()})) {
      S3FILES_RETURN_IF_ERROR(
          layer->Read(piece.begin, out.subspan(piece.begin - origin, piece.size())));
    }
  }
  return absl::OkStatus();
}

}  // namespace s3files
