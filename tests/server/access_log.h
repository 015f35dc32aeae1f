#ifndef S3FILES_TESTS_SERVER_ACCESS_LOG_H_
#define S3FILES_TESTS_SERVER_ACCESS_LOG_H_

#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace s3files::server {

// One request, as the server saw it.
struct LogEntry {
  std::string operation;
  std::string bucket;
  std::string key;
  std::string code;       // the S3 error code replied
  int status = 0;         // 0: no reply was sent
  uint64_t bytes_in = 0;  // of the bodies, as on the wire
  uint64_t bytes_out = 0;
  int64_t start_us = 0;  // monotonic: header read
  int64_t end_us = 0;    // reply handed to the kernel
  uint64_t connection = 0;
  bool fault = false;
};

struct OperationStats {
  uint64_t requests = 0;
  uint64_t errors = 0;  // replies of 400 and above, and requests without reply
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};
using Stats = std::map<std::string, OperationStats>;

// What was asked of the server: counters of everything, entries of the last 100,000 requests, and
// a file. Thread-safe.
class AccessLog {
 public:
  // Appends to `file` unless empty. Throws std::runtime_error where it cannot be opened.
  explicit AccessLog(const std::string& file);

  // Adds a request whose reply is about to be sent, so that whoever has the reply finds it here.
  // Returns its number, for Finish.
  uint64_t Add(const LogEntry& entry);
  // The request is over: corrects what Add could not know, and writes the file's line.
  void Finish(uint64_t number, const LogEntry& entry);
  std::vector<LogEntry> Entries() const;
  std::vector<LogEntry> TakeEntries();
  Stats GetStats() const;

 private:
  void WriteLine(const LogEntry& entry);  // requires mutex_

  mutable std::mutex mutex_;
  std::deque<LogEntry> entries_;  // guarded by mutex_, as is the rest
  uint64_t first_number_ = 0;     // of entries_
  Stats stats_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_ACCESS_LOG_H_
