// The directory that makes staged changes survive this process: the journal, and files with staged
// bytes. One process owns it.
//   lock          who owns it, for people; held by a lock of fcntl's
//   journal.db    see Journal
//   staged/       a file for each overlay, see OverlayFile
#ifndef S3FILES_LIB_JOURNAL_STATE_DIR_H_
#define S3FILES_LIB_JOURNAL_STATE_DIR_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace s3files {

class StateDir {
 public:
  // Made, 0700, where it does not exist. EBUSY: another file system has it, in this process or in the
  // one that is named. Of a forked child it is not: its lock stays with the parent.
  static absl::StatusOr<std::unique_ptr<StateDir>> Open(const std::string& path);
  // One that is there, only to read it: nothing in it is changed, but no file system can open it
  // meanwhile. ENOENT, EBUSY.
  static absl::StatusOr<std::unique_ptr<StateDir>> OpenToRead(const std::string& path);
  ~StateDir();
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;

  const std::string& path() const { return path_; }
  std::string journal_path() const { return path_ + "/journal.db"; }
  std::string staged_path() const { return path_ + "/staged"; }

 private:
  StateDir(std::string path, int fd, dev_t device, ino_t inode)
      : path_(std::move(path)), fd_(fd), device_(device), inode_(inode) {}

  static absl::StatusOr<std::unique_ptr<StateDir>> Own(const std::string& path, bool to_read);

  const std::string path_;
  const int fd_;  // of the lock; -1: there is no such file to lock
  const dev_t device_;
  const ino_t inode_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_JOURNAL_STATE_DIR_H_
