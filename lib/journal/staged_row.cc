#include "lib/journal/staged_row.h"

#include <utility>

#include "lib/base/varint.h"
#include "lib/journal/row_bytes.h"

namespace s3files {
namespace {

// Flags.
constexpr uint64_t kFull = 1u << 0;
constexpr uint64_t kExclusive = 1u << 1;
constexpr uint64_t kBase = 1u << 2;
constexpr uint64_t kLost = 1u << 3;
constexpr uint64_t kRemoving = 1u << 4;
constexpr uint64_t kWinner = 1u << 5;
constexpr uint64_t kWhy = 1u << 6;

template <typename T, typename Append>
void AppendOptional(const std::optional<T>& value, Append append, std::string* out) {
  AppendVarint(value ? 1 : 0, out);
  if (value) append(*value, out);
}

template <typename Take>
auto TakeOptional(Take take, absl::string_view* bytes) -> std::optional<decltype(take(bytes))> {
  if (TakeVarint(bytes) == 0) return std::nullopt;
  return take(bytes);
}

std::string TakeString(absl::string_view* bytes) { return std::string(TakeText(bytes)); }

void AppendChange(const AttributeChange& change, std::string* out) {
  AppendOptional(change.mode, AppendVarint, out);
  AppendOptional(change.uid, AppendVarint, out);
  AppendOptional(change.gid, AppendVarint, out);
  AppendOptional(change.mtime_ns, AppendSigned, out);
  AppendVarint(change.user.size(), out);
  for (const auto& [name, value] : change.user) {
    AppendText(name, out);
    AppendOptional(value, AppendText, out);
  }
}

AttributeChange TakeChange(absl::string_view* bytes) {
  AttributeChange change;
  change.mode = TakeOptional(TakeVarint, bytes);
  change.uid = TakeOptional(TakeVarint, bytes);
  change.gid = TakeOptional(TakeVarint, bytes);
  change.mtime_ns = TakeOptional(TakeSigned, bytes);
  for (uint64_t n = TakeVarint(bytes); n > 0; --n) {
    std::string name = TakeString(bytes);
    change.user[std::move(name)] = TakeOptional(TakeString, bytes);
  }
  return change;
}

void AppendOverlay(const SavedOverlay& overlay, std::string* out) {
  AppendVarint(overlay.size, out);
  AppendVarint(overlay.below, out);
  AppendText(overlay.file, out);
  AppendVarint(overlay.staged.size(), out);
  uint64_t at = 0;
  for (const ByteRange& range : overlay.staged) {
    AppendVarint(range.begin - at, out);
    AppendVarint(range.size(), out);
    at = range.end;
  }
  // Without a file format 2 had no ranges.
  if (overlay.file.empty() && at > 0) AppendText(overlay.packed, out);
}

SavedOverlay TakeOverlay(absl::string_view* bytes) {
  SavedOverlay overlay;
  overlay.size = TakeVarint(bytes);
  overlay.below = TakeVarint(bytes);
  overlay.file = TakeString(bytes);
  uint64_t at = 0;
  for (uint64_t n = TakeVarint(bytes); n > 0; --n) {
    const uint64_t begin = at + TakeVarint(bytes);
    at = begin + TakeVarint(bytes);
    overlay.staged.push_back({begin, at});
  }
  if (overlay.file.empty() && at > 0) overlay.packed = TakeString(bytes);
  return overlay;
}

}  // namespace

std::string StagedRow::Encode() const {
  std::string out;
  const bool winner = lost && !lost->winner.unknown();
  AppendVarint((full ? kFull : 0) | (exclusive ? kExclusive : 0) | (base ? kBase : 0) |
                   (lost ? kLost : 0) | (removing ? kRemoving : 0) | (winner ? kWinner : 0) |
                   (lost && lost->error != 0 ? kWhy : 0),
               &out);
  AppendText(path, &out);
  AppendVarint(static_cast<uint64_t>(attributes.type), &out);
  AppendVarint(attributes.mode, &out);
  AppendVarint(attributes.uid, &out);
  AppendVarint(attributes.gid, &out);
  AppendSigned(attributes.mtime_ns, &out);
  AppendChange(change, &out);
  AppendText(metadata.bytes(), &out);
  AppendVarint(tag_count, &out);
  AppendVersion(committed.version, &out);
  AppendSigned(committed.last_modified_ns, &out);
  if (base) {
    AppendText(base->key, &out);
    AppendVarint(base->size, &out);
  }
  AppendVarint(commit_ids.size(), &out);
  for (const std::string& id : commit_ids) AppendDigest(id, &out);
  AppendVarint(overlays.size(), &out);
  for (const SavedOverlay& overlay : overlays) AppendOverlay(overlay, &out);
  if (lost) {
    AppendText(lost->path, &out);
    AppendText(lost->key, &out);
    AppendVersion(lost->base, &out);
    if (winner) AppendVersion(lost->winner, &out);
    if (lost->error != 0) {
      AppendVarint(static_cast<uint64_t>(lost->error), &out);
      AppendText(lost->why, &out);
    }
  }
  if (epoch > 0) AppendVarint(epoch, &out);
  return SealRow(RowKind::kStaged, out);
}

StagedRow StagedRow::Decode(absl::string_view bytes) {
  const uint64_t flags = TakeVarint(&bytes);
  StagedRow row;
  row.full = (flags & kFull) != 0;
  row.exclusive = (flags & kExclusive) != 0;
  row.removing = (flags & kRemoving) != 0;
  row.path = TakeString(&bytes);
  row.attributes.type = static_cast<FileType>(TakeVarint(&bytes));
  row.attributes.mode = static_cast<uint32_t>(TakeVarint(&bytes));
  row.attributes.uid = static_cast<uint32_t>(TakeVarint(&bytes));
  row.attributes.gid = static_cast<uint32_t>(TakeVarint(&bytes));
  row.attributes.mtime_ns = TakeSigned(&bytes);
  row.change = TakeChange(&bytes);
  row.metadata = KeptMetadata::Of(TakeText(&bytes));
  row.tag_count = static_cast<uint32_t>(TakeVarint(&bytes));
  row.committed.version = TakeVersion(&bytes);
  row.committed.last_modified_ns = TakeSigned(&bytes);
  if ((flags & kBase) != 0) {
    std::string key = TakeString(&bytes);
    row.base = BaseOf{std::move(key), TakeVarint(&bytes)};
  }
  for (uint64_t n = TakeVarint(&bytes); n > 0; --n) row.commit_ids.push_back(TakeDigest(&bytes));
  for (uint64_t n = TakeVarint(&bytes); n > 0; --n) row.overlays.push_back(TakeOverlay(&bytes));
  if ((flags & kLost) != 0) {
    Lost lost;
    lost.path = TakeString(&bytes);
    lost.key = TakeString(&bytes);
    lost.base = TakeVersion(&bytes);
    if ((flags & kWinner) != 0) lost.winner = TakeVersion(&bytes);
    if ((flags & kWhy) != 0) {
      lost.error = static_cast<int>(TakeVarint(&bytes));
      lost.why = TakeString(&bytes);
    }
    row.lost = std::move(lost);
  }
  if (!bytes.empty()) row.epoch = TakeVarint(&bytes);
  return row;
}

}  // namespace s3files
