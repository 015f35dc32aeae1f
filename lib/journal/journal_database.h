// The journal's file (the one user of SQLite).
#ifndef S3FILES_LIB_JOURNAL_JOURNAL_DATABASE_H_
#define S3FILES_LIB_JOURNAL_JOURNAL_DATABASE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s3files {

// Not thread-safe.
class JournalDatabase {
 public:
  // Rows from `first` to `last` cannot be read; last is INT64_MAX - 1 where no later one can.
  struct Gap {
    uint64_t first = 0;
    uint64_t last = 0;
    std::string why;
  };
  using Visit = std::function<void(uint64_t id, absl::string_view row)>;

  explicit JournalDatabase(std::string path);
  ~JournalDatabase();
  JournalDatabase(const JournalDatabase&) = delete;
  JournalDatabase& operator=(const JournalDatabase&) = delete;

  // `staged`: whether there are staged files.
  absl::Status Open(bool staged);
  // Opens what may be damaged: a copy, for its first page may be replaced. EIO: nothing can be read.
  // `message`: what is damaged, else empty.
  absl::Status OpenDamaged(std::string* message);

  absl::Status Run(const std::string& sql);  // without results
  absl::Status Put(uint64_t id, absl::string_view row);
  absl::Status Remove(uint64_t id);

  // Of the store that the rows are about; empty: none was set.
  absl::StatusOr<std::string> Url();
  absl::Status SetUrl(const std::string& url);

  // Calls `visit` for each row, by id.
  absl::Status ForEach(const Visit& visit);
  // The same of what can be read; returns the rest.
  std::vector<Gap> ForEachReadable(const Visit& visit);

 private:
  struct Sqlite;  // no type of SQLite's is in a header

  absl::Status Connect();
  absl::Status MakeTables();
  absl::Status ReplaceFirstPage();
  absl::Status Check(int code) const;
  absl::StatusOr<std::string> Text(const char* sql);

  const std::string path_;
  std::unique_ptr<Sqlite> sqlite_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_JOURNAL_JOURNAL_DATABASE_H_
