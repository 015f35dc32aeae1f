// What has been done of one rename of a directory; with a journal it is there, too.
#ifndef S3FILES_LIB_SYNC_MOVE_PROGRESS_H_
#define S3FILES_LIB_SYNC_MOVE_PROGRESS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/content/base.h"
#include "lib/inode/inode.h"
#include "lib/journal/journal.h"
#include "lib/store/version.h"

namespace s3files {

// Sixty-four bits for one version of one key, the same in every process. What has no ETag goes by its
// size.
uint64_t FingerprintOf(absl::string_view key, const Version& version, uint64_t size);

// Lives until the rename is done whole. Thread-safe.
struct MoveProgress {
  // Copies are noted in the journal so many at a time, and nobody waits for that: a copy that is not
  // noted is known again by what it holds.
  static constexpr size_t kCopiesARow = 100;

  explicit MoveProgress(Journal* journal) : journal(journal) {}

  Journal* const journal;  // may be null
  InodePtr origin_parent;
  Version replaced;  // the target's marker before

  absl::Mutex mu;  // before the journal's
  // Versions of old keys whose bytes stand under the new ones, with their Last-Modified as listed: a
  // change of attributes, or the same bytes written again, leave the ETag as it was. And versions,
  // under the new keys, that are copies of ours and have another ETag than their source.
  absl::flat_hash_map<uint64_t, int64_t> copied ABSL_GUARDED_BY(mu);
  absl::flat_hash_set<uint64_t> written ABSL_GUARDED_BY(mu);
  // The copies' stamps, where they cannot be told from their source.
  absl::flat_hash_map<uint64_t, Stamp> stamps ABSL_GUARDED_BY(mu);
  absl::flat_hash_set<std::string> left ABSL_GUARDED_BY(mu);  // old keys that stay
  absl::Status left_because ABSL_GUARDED_BY(mu);              // of the first
  // Rows of the journal: its own (0: none), and those of its copies, but for the last.
  uint64_t row ABSL_GUARDED_BY(mu) = 0;
  std::vector<uint64_t> copies_rows ABSL_GUARDED_BY(mu);
  std::vector<CopiesRow::Copy> unrecorded ABSL_GUARDED_BY(mu);

  bool Copied(uint64_t fingerprint, int64_t listed_ns);
  bool Left(const std::string& key);
  void NoteCopied(const std::string& from, const std::string& to, const Base& source,
                  int64_t listed_ns, const Stamp& stamp);

  // These put to the journal; whoever depends on it waits. Without one they do nothing.
  void Record(const MoveRow& move);  // and all copies so far
  void RecordCopies();
  void Unrecord();  // removes all rows
  // As an earlier process has recorded it.
  void Restore(uint64_t id, const MoveRow& move, const std::map<uint64_t, CopiesRow>& rows);

 private:
  void Note(const CopiesRow::Copy& copy) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void RecordCopiesLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
};

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_MOVE_PROGRESS_H_
