#include "lib/journal/journal_copy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

constexpr size_t kStep = 4096;  // what a disk loses at once

// Copies `from`, where there is one, appending what cannot be read to `*damage`.
absl::Status CopyFile(const std::string& from, const std::string& to, std::string* damage) {
  const int in = open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (in < 0) {
    if (errno != ENOENT) absl::StrAppend(damage, from, ": ", strerror(errno), "; ");
    return absl::OkStatus();
  }
  const int out = open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  struct stat info = {};
  bool written = out >= 0 && fstat(in, &info) == 0;
  for (off_t at = 0; written && at < info.st_size;) {
    char bytes[kStep] = {};
    ssize_t n = pread(in, bytes, kStep, at);
    if (n < 0) {
      absl::StrAppend(damage, from, ": ", strerror(errno), " at byte ", at, "; ");
      n = std::min<off_t>(kStep, info.st_size - at);
    }
    if (n == 0) break;
    written = pwrite(out, bytes, static_cast<size_t>(n), at) == n;
    at += n;
  }
  const int error = errno;
  if (out >= 0) close(out);
  close(in);
  return written ? absl::OkStatus()
                 : Error(error == 0 ? ENOSPC : error,
                         absl::StrCat("cannot copy ", from, " to ", to, ": ", strerror(error),
                                      "; set TMPDIR to a directory with room"));
}

uint32_t Number(absl::string_view bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

// The log's running checksum: https://www.sqlite.org/fileformat2.html#checksum_algorithm
struct LogSum {
  bool big_endian;
  uint32_t a = 0, b = 0;

  void Add(absl::string_view bytes) {
    for (size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      a += Word(bytes, at) + b;
      b += Word(bytes, at + 4) + a;
    }
  }
  uint32_t Word(absl::string_view bytes, size_t at) const {
    const uint32_t number = Number(bytes, at);
    return big_endian ? number : __builtin_bswap32(number);
  }
  bool Is(absl::string_view bytes, size_t at) const {
    return Number(bytes, at) == a && Number(bytes, at + 4) == b;
  }
};

std::string ReadAll(const std::string& path) {
  std::string bytes;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info = {};
  if (fd >= 0 && fstat(fd, &info) == 0) {
    bytes.resize(static_cast<size_t>(info.st_size));
    const ssize_t n = pread(fd, bytes.data(), bytes.size(), 0);
    bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  }
  if (fd >= 0) close(fd);
  return bytes;
}

// Whether the log has a transaction that SQLite will leave out, since its bytes are not what was
// written. Older frames, which a restarted log leaves behind its end, have another salt.
std::string DamageOfLog(const std::string& path) {
  constexpr size_t kHeader = 32, kFrameHeader = 24;
  const std::string log = ReadAll(path);
  const absl::string_view bytes = log;
  if (bytes.empty()) return "";
  const std::string all = "its log cannot be read: the last changes are missing";
  if (bytes.size() < kHeader || (Number(bytes, 0) | 1) != 0x377f0683) return all;
  LogSum sum{(Number(bytes, 0) & 1) != 0};
  sum.Add(bytes.substr(0, 24));
  const size_t page = Number(bytes, 8);
  if (!sum.Is(bytes, 24) || page < 512 || page > 65536) return all;
  bool good = true;
  for (size_t at = kHeader, n = 1; at + kFrameHeader + page <= bytes.size();
       at += kFrameHeader + page, ++n) {
    if (bytes.substr(at + 8, 8) != bytes.substr(16, 8)) {
      good = false;
      continue;
    }
    if (good) {
      sum.Add(bytes.substr(at, 8));
      sum.Add(bytes.substr(at + kFrameHeader, page));
      good = sum.Is(bytes, at + 16);
    }
    if (!good && Number(bytes, at + 4) != 0) {  // the end of a transaction
      return absl::StrCat("its log is damaged at or before frame ", n,
                          ": the last changes are missing, unless they were under way at a loss of "
                          "power");
    }
  }
  return "";
}

}  // namespace

absl::StatusOr<std::unique_ptr<JournalCopy>> JournalCopy::Make(const std::string& journal_path) {
  const char* under = getenv("TMPDIR");
  std::string name =
      absl::StrCat(under != nullptr && *under != '\0' ? under : "/tmp", "/s3files-rescue-XXXXXX");
  if (mkdtemp(name.data()) == nullptr) {
    return Error(errno, absl::StrCat("cannot make a directory ", name, ": ", strerror(errno),
                                     "; set TMPDIR to one that can be written"));
  }
  std::unique_ptr<JournalCopy> copy(new JournalCopy(name));
  S3FILES_RETURN_IF_ERROR(CopyFile(journal_path, copy->path(), &copy->damage_));
  const std::string log = copy->path() + "-wal";
  S3FILES_RETURN_IF_ERROR(CopyFile(journal_path + "-wal", log, &copy->damage_));
  copy->damage_ += DamageOfLog(log);
  return copy;
}

JournalCopy::~JournalCopy() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace s3files
