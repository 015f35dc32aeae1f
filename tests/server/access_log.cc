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

uint64_t AccessLog::Add(const LogEntry& entry) {
  std::lock_guard lock(mutex_);
  OperationStats& stats = stats_[entry.operation];
  ++stats.requests;
  if (entry.status == 0 || entry.status >= 400) ++stats.errors;
  if (entries_.size() == kMaxEntries) {
    entries_.pop_front();
    ++first_number_;
  }
  entries_.push_back(entry);
  return first_number_ + entries_.size() - 1;
}

void AccessLog::Finish(uint64_t number, const LogEntry& entry) {
  std::lock_guard lock(mutex_);
  OperationStats& stats = stats_[entry.operation];
  stats.bytes_in += entry.bytes_in;
  stats.bytes_out += entry.bytes_out;
  // It may have been taken, or pushed out, meanwhile.
  if (number >= first_number_) entries_[number - first_number_] = entry;
  if (file_ != nullptr) WriteLine(entry);
}

void AccessLog::WriteLine(const LogEntry& entry) {
  std::string name = "/" + entry.bucket + "/" + PercentEncode(entry.key, true);
  std::fprintf(file_.get(),
               "%" PRId64 " %" PRId64 " %s %s %d %s in=%" PRIu64 " out=%" PRIu64
               " connection=%" PRIu64 "%s\n",
               entry.start_us, entry.end_us, entry.operation.c_str(), name.c_str(), entry.status,
               entry.code.empty() ? "-" : entry.code.c_str(), entry.bytes_in, entry.bytes_out,
               entry.connection, entry.fault ? " fault" : "");
  std::fflush(file_.get());
}

std::vector<LogEntry> AccessLog::Entries() const {
  std::lock_guard lock(mutex_);
  return {entries_.begin(), entries_.end()};
}

std::vector<LogEntry> AccessLog::TakeEntries() {
  std::lock_guard lock(mutex_);
  first_number_ += entries_.size();
  std::deque<LogEntry> taken = std::exchange(entries_, {});
  return {std::make_move_iterator(taken.begin()), std::make_move_iterator(taken.end())};
}

Stats AccessLog::GetStats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace s3files::server
