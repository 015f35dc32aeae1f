#include "tests/server/access_log.h"

#include <cerrno>
#include <cinttypes>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "tests/server/uri.h"

namespace s3files::server {
namespace {

constexpr size_t kMaxEntries = 100'000;

std::FILE* OpenLog(const std::string& file) {
  if (file.empty()) return nullptr;
  std::FILE* stream = std::fopen(file.c_str(), "ae");
  if (stream == nullptr) {
    throw std::runtime_error("cannot open log " + file + ": " + std::strerror(errno));
  }
  return stream;
}

}  // namespace

AccessLog::AccessLog(const std::string& file) : file_(OpenLog(file), &std::fclose) {}

void AccessLog::Add(LogEntry entry) {
  std::lock_guard lock(mutex_);
  OperationStats& stats = stats_[entry.operation];
  ++stats.requests;
  if (entry.status == 0 || entry.status >= 400) ++stats.errors;
  stats.bytes_in += entry.bytes_in;
  stats.bytes_out += entry.bytes_out;
  if (file_ != nullptr) {
    std::string name = "/" + entry.bucket + "/" + PercentEncode(entry.key, true);
    std::fprintf(file_.get(),
                 "%" PRId64 " %" PRId64 " %s %s %d %s in=%" PRIu64 " out=%" PRIu64
                 " connection=%" PRIu64 "%s\n",
                 entry.start_us, entry.end_us, entry.operation.c_str(), name.c_str(), entry.status,
                 entry.code.empty() ? "-" : entry.code.c_str(), entry.bytes_in, entry.bytes_out,
                 entry.connection, entry.fault ? " fault" : "");
    std::fflush(file_.get());
  }
  if (entries_.size() == kMaxEntries) entries_.pop_front();
  entries_.push_back(std::move(entry));
}

std::vector<LogEntry> AccessLog::Entries() const {
  std::lock_guard lock(mutex_);
  return {entries_.begin(), entries_.end()};
}

std::vector<LogEntry> AccessLog::TakeEntries() {
  std::lock_guard lock(mutex_);
  std::deque<LogEntry> taken = std::exchange(entries_, {});
  return {std::make_move_iterator(taken.begin()), std::make_move_iterator(taken.end())};
}

Stats AccessLog::GetStats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace s3files::server
