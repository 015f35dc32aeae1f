// What tests of state directories have in common.
#ifndef S3FILES_TESTS_FS_RECOVERY_H_
#define S3FILES_TESTS_FS_RECOVERY_H_

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/fs/host.h"

namespace s3files {

class RecoveryTest : public testing::Test {
 protected:
  RecoveryTest() {
    // Where there is memory for it, fsync does not wait for a disk.
    const std::string parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : testing::TempDir();
    std::string name = parent + "/s3files-state-XXXXXX";
    dir_ = mkdtemp(name.data());
    options_.commit.delay_ns = kNever;
  }
  ~RecoveryTest() override {
    std::filesystem::remove_all(dir_);
    std::filesystem::remove_all(Saved());
  }

  std::unique_ptr<Host> NewHost() { return std::make_unique<Host>(bucket_, dir_, options_); }
  // A handle whose bytes are durable.
  static std::unique_ptr<Handle> Durable(Host& host, absl::string_view path,
                                         absl::string_view bytes) {
    std::unique_ptr<Handle> handle =
        host.Open(path, kOpenRead | kOpenWrite | kOpenCreate | kOpenTruncate);
    EXPECT_EQ(host.Write(*handle, 0, bytes), absl::OkStatus());
    EXPECT_EQ(host.Sync(*handle), absl::OkStatus());
    return handle;
  }
  // What the next host finds is the directory as it was when SaveState was last called, as if the
  // process had died then.
  void SaveState() {
    // Of one moment: the journal may be at work.
    std::error_code error;
    std::string before;
    do {
      before = Fingerprint();
      std::filesystem::remove_all(Saved());
      std::filesystem::copy(dir_, Saved(), std::filesystem::copy_options::recursive, error);
    } while (error || before != Fingerprint());
  }
  void RestoreState() {
    std::filesystem::remove_all(dir_);
    std::filesystem::rename(Saved(), dir_);
  }
  size_t StagedFiles() const {
    const std::filesystem::directory_iterator files(dir_ + "/staged");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  std::string Saved() const { return dir_ + "-saved"; }
  // Another where a file was made, written or removed meanwhile.
  std::string Fingerprint() const {
    std::string print;
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator it(dir_, error), end; it != end && !error;
         it.increment(error)) {
      struct stat found;
      if (stat(it->path().c_str(), &found) != 0) continue;
      absl::StrAppend(&print, it->path().string(), " ", found.st_size, " ", found.st_mtim.tv_sec,
                      ".", found.st_mtim.tv_nsec, "\n");
    }
    return print;
  }

  Bucket bucket_;
  std::string dir_;
  FileSystemOptions options_ = Host::Options();
};

}  // namespace s3files

#endif  // S3FILES_TESTS_FS_RECOVERY_H_
