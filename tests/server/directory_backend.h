#ifndef S3FILES_TESTS_SERVER_DIRECTORY_BACKEND_H_
#define S3FILES_TESTS_SERVER_DIRECTORY_BACKEND_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/server/backend.h"

namespace s3files::server {

class DataDirectory;

// Keeps everything in a directory, so that a restart finds it again:
//
//   DIR/lock         held by the one server that uses DIR
//   DIR/journal      every change, each as u32 size + EncodeChange; rewritten at start
//   DIR/data/D/N     the body with number N, immutable, unlinked with its last reference
//
// Keys stand in the journal only, so any byte and any length is safe in them. Changes survive a
// kill of the server; nothing is synced, so they need not survive a power cut.
class DirectoryBackend : public Backend {
 public:
  // Throws std::runtime_error, naming the directory, where it cannot be used.
  explicit DirectoryBackend(const std::filesystem::path& directory);
  ~DirectoryBackend() override;

  std::unique_ptr<BodyWriter> NewBody(uint64_t size) override;
  void Replay(const std::function<void(const Change&)>& apply) override;
  void Compact(const std::vector<Change>& changes) override;
  void Record(const Change& change) override;

 private:
  std::filesystem::path directory_;
  std::shared_ptr<DataDirectory> data_;
  int lock_fd_ = -1;
  int journal_fd_ = -1;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_DIRECTORY_BACKEND_H_
