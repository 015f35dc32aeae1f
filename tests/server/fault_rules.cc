#include "tests/server/fault_rules.h"

#include <utility>

namespace s3files::server {
namespace {

bool Selects(const Fault& fault, const std::string& operation, const std::string& bucket,
             const std::string& key) {
  return (fault.operation.empty() || fault.operation == operation) &&
         (fault.bucket.empty() || fault.bucket == bucket) &&
         (fault.key.empty() || fault.key == key) &&
         key.find(fault.key_contains) != std::string::npos;
}

}  // namespace

void FaultRules::Add(Fault fault) {
  std::lock_guard lock(mutex_);
  rules_.push_back(std::move(fault));
}

void FaultRules::Clear() {
  std::lock_guard lock(mutex_);
  rules_.clear();
  stalled_ = 0;
}

void FaultRules::NoteStalled() {
  std::lock_guard lock(mutex_);
  ++stalled_;
}

int FaultRules::stalled() const {
  std::lock_guard lock(mutex_);
  return stalled_;
}

std::optional<Fault> FaultRules::Take(const std::string& operation, const std::string& bucket,
                                      const std::string& key) {
  std::lock_guard lock(mutex_);
  for (Fault& rule : rules_) {
    if (rule.count == 0 || !Selects(rule, operation, bucket, key)) continue;
    if (rule.skip > 0) {
      --rule.skip;
      continue;
    }
    if (rule.count > 0) --rule.count;
    return rule;
  }
  return std::nullopt;
}

}  // namespace s3files::server
