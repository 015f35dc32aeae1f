#ifndef S3FILES_TESTS_SERVER_FAULT_RULES_H_
#define S3FILES_TESTS_SERVER_FAULT_RULES_H_

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/server/fault.h"

namespace s3files::server {

// The faults in force and how often each was used. Thread-safe.
class FaultRules {
 public:
  void Add(Fault fault);
  void Clear();

  // The fault to apply to a request, and counts it.
  std::optional<Fault> Take(const std::string& operation, const std::string& bucket,
                            const std::string& key);

  // A request is held by a fault's `stall`.
  void NoteStalled();
  int stalled() const;  // how many since Clear

 private:
  mutable std::mutex mutex_;
  int stalled_ = 0;           // guarded by mutex_
  std::vector<Fault> rules_;  // guarded by mutex_; skip and count are counted down
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_FAULT_RULES_H_
