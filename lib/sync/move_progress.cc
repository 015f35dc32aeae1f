#include "lib/sync/move_progress.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/hash.h"

namespace s3files {

uint64_t FingerprintOf(absl::string_view key, const Version& version, uint64_t size) {
  const Sha256Digest digest = Sha256(version.known() ? absl::StrCat(key, "\n", version.etag())
                                                     : absl::StrCat(key, "\n\n", size));
  uint64_t fingerprint;
  memcpy(&fingerprint, digest.data(), sizeof(fingerprint));
  return fingerprint;
}

bool MoveProgress::Copied(uint64_t fingerprint, int64_t listed_ns) {
  absl::MutexLock lock(&mu);
  auto it = copied.find(fingerprint);
  return it != copied.end() && it->second == listed_ns;
}

bool MoveProgress::Left(const std::string& key) {
  absl::MutexLock lock(&mu);
  return left.contains(key);
}

void MoveProgress::NoteCopied(const std::string& from, const std::string& to, const Base& source,
                              int64_t listed_ns, const Stamp& stamp) {
  CopiesRow::Copy copy;
  copy.source = FingerprintOf(from, source.version, source.size);
  copy.listed_ns = listed_ns;
  const bool same = stamp.version.etag() == source.version.etag();
  if (!same) copy.target = FingerprintOf(to, stamp.version, source.size);
  if (!same || !stamp.version.version_id().empty()) copy.stamp = stamp;
  absl::MutexLock lock(&mu);
  Note(copy);
  if (journal == nullptr) return;
  unrecorded.push_back(std::move(copy));
  if (unrecorded.size() >= kCopiesARow) RecordCopiesLocked();
}

void MoveProgress::Note(const CopiesRow::Copy& copy) {
  copied[copy.source] = copy.listed_ns;
  if (copy.target != 0) written.insert(copy.target);
  if (!copy.stamp.version.absent()) stamps[copy.source] = copy.stamp;
}

void MoveProgress::RecordCopies() {
  absl::MutexLock lock(&mu);
  RecordCopiesLocked();
}

void MoveProgress::RecordCopiesLocked() {
  if (unrecorded.empty() || row == 0) return;
  copies_rows.push_back(journal->NewId());
  journal->Put(copies_rows.back(), CopiesRow{row, std::exchange(unrecorded, {})});
}

void MoveProgress::Record(const MoveRow& move) {
  if (journal == nullptr) return;
  absl::MutexLock lock(&mu);
  if (row == 0) row = journal->NewId();
  const Journal::Together together(journal);
  RecordCopiesLocked();
  journal->Put(row, move);
}

void MoveProgress::Unrecord() {
  absl::MutexLock lock(&mu);
  if (row == 0) return;
  const Journal::Together together(journal);
  for (const uint64_t id : std::exchange(copies_rows, {})) journal->Remove(id);
  journal->Remove(std::exchange(row, 0));
}

void MoveProgress::Restore(uint64_t id, const MoveRow& move,
                           const std::map<uint64_t, CopiesRow>& rows) {
  absl::MutexLock lock(&mu);
  row = id;
  replaced = move.replaced;
  for (const auto& [copies_id, copies] : rows) {
    if (copies.move != id) continue;
    copies_rows.push_back(copies_id);
    for (const CopiesRow::Copy& copy : copies.copies) Note(copy);
  }
}

}  // namespace s3files
