// A copy of a journal that can be read without changing the journal.
#ifndef S3FILES_LIB_JOURNAL_JOURNAL_COPY_H_
#define S3FILES_LIB_JOURNAL_JOURNAL_COPY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace s3files {

// The database with its write-ahead log, in a directory of its own under $TMPDIR, gone with this.
class JournalCopy {
 public:
  // What the disk does not give is zeros, and told by damage(). ENOSPC, EIO: it cannot be written.
  static absl::StatusOr<std::unique_ptr<JournalCopy>> Make(const std::string& journal_path);
  ~JournalCopy();
  JournalCopy(const JournalCopy&) = delete;
  JournalCopy& operator=(const JournalCopy&) = delete;

  std::string path() const { return directory_ + "/journal.db"; }
  // What is known to be missing of it: SQLite leaves out the rest of a damaged log without a word.
  const std::string& damage() const { return damage_; }

 private:
  explicit JournalCopy(std::string directory) : directory_(std::move(directory)) {}

  const std::string directory_;
  std::string damage_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_JOURNAL_JOURNAL_COPY_H_
