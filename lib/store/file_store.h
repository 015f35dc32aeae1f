// A bucket in a directory: `file:///dir`.
//
//   DIR/objects/...          one file an object, see key_path.h and object_file.h
//   DIR/.s3files/uploads/ID  a multipart upload: `head` (body: the key; metadata), `00001`, ...
//   DIR/.s3files/tmp         files being written; swept when a store is opened
//   DIR/.s3files/locks/NN    flock(2) for changes, by hash of the key
//
// The layout keeps one promise above all: whatever is killed at whatever instant, a key has its old
// version or its new one. Bytes, version and metadata are one file, written under a temporary name,
// synced, and renamed. Legibility comes second: names are the keys' wherever they can be, and an
// object's file begins with its bytes. Plain files under the keys themselves would be nicer to look
// at, but could not hold both `a` and `a/b`, nor carry metadata atomically.
//
// Versions are random tokens, not digests: unique for each write, hence strong, and free.
#ifndef S3FILES_LIB_STORE_FILE_STORE_H_
#define S3FILES_LIB_STORE_FILE_STORE_H_

#include <sys/types.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/clock.h"
#include "lib/store/local_rules.h"
#include "lib/store/object_file.h"
#include "lib/store/object_store.h"
#include "lib/store/object_tree.h"

namespace s3files {

// Conditional writes are atomic between threads and between processes on one machine. A reader
// keeps the version it opened. Calls in a forked child give EBUSY: its locks would be its parent's.
class FileStore final : public ObjectStore {
 public:
  struct Options {
    bool create = true;  // make `directory` where its parent exists; else ENOENT
    bool fsync = true;   // off: a crash of the machine (not of the process) may lose writes
    uint64_t smallest_part = Capabilities().smallest_part;
    const Clock* clock = Clock::System();
  };
  // ENOENT, ENOTDIR, EACCES, EROFS.
  static absl::StatusOr<std::shared_ptr<FileStore>> Open(const std::string& directory,
                                                         const Options& options);
  static absl::StatusOr<std::shared_ptr<FileStore>> Open(const std::string& directory) {
    return Open(directory, Options());
  }

  const Capabilities& capabilities() const override { return can_; }
  RequestCounts counts() const override { return tally_.counts(); }

  absl::Status Probe(const CallContext& call, absl::string_view prefix) override;
  absl::StatusOr<ObjectInfo> Head(const CallContext& call, absl::string_view key) override;
  absl::StatusOr<ObjectInfo> Get(const CallContext& call, const GetRequest& request,
                                 ByteSink& sink) override;
  absl::StatusOr<ObjectTags> GetTags(const CallContext& call, absl::string_view key) override;
  absl::StatusOr<Stamp> Put(const CallContext& call, const PutRequest& request,
                            ByteSource& body) override;
  absl::Status Delete(const CallContext& call, absl::string_view key,
                      const Precondition& precondition) override;
  absl::StatusOr<std::vector<absl::Status>> DeleteMany(const CallContext& call,
                                                       absl::Span<const std::string> keys) override;
  absl::StatusOr<ListPage> List(const CallContext& call, const ListRequest& request) override;
  absl::StatusOr<Stamp> Copy(const CallContext& call, const CopyRequest& request) override;
  absl::StatusOr<std::string> CreateUpload(const CallContext& call,
                                           const PutRequest& request) override;
  absl::StatusOr<UploadedPart> UploadPart(const CallContext& call, absl::string_view key,
                                          absl::string_view upload_id, uint32_t number,
                                          ByteSource& body) override;
  absl::StatusOr<UploadedPart> CopyPart(const CallContext& call,
                                        const PartCopyRequest& request) override;
  absl::StatusOr<Stamp> CompleteUpload(const CallContext& call,
                                       const CompleteRequest& request) override;
  absl::Status AbortUpload(const CallContext& call, absl::string_view key,
                           absl::string_view upload_id) override;
  absl::StatusOr<std::vector<UploadedPart>> ListParts(const CallContext& call,
                                                      absl::string_view key,
                                                      absl::string_view upload_id) override;
  absl::StatusOr<std::vector<PendingUpload>> ListUploads(const CallContext& call,
                                                         absl::string_view prefix) override;

 private:
  class KeyLock;
  struct Shard {
    absl::Mutex mu;  // leaf
    absl::CondVar free;
    bool busy ABSL_GUARDED_BY(mu) = false;  // by a thread of this process, which alone uses `file`
    Fd file;                                // opened when first needed; for flock(2)
  };
  struct Directories {
    Fd objects, temporaries, uploads, locks;
  };
  FileStore(std::string name, Directories directories, const Options& options);
  static absl::StatusOr<Directories> OpenDirectories(const std::string& directory, bool create);

  template <typename Result, typename Run>
  Result Perform(uint64_t RequestCounts::*kind, const CallContext& call, absl::string_view key,
                 Run run);
  absl::Status Replace(const CallContext& call, const std::string& key, ObjectFileWriter& file,
                       const Precondition& precondition);
  absl::Status Remove(const CallContext& call, absl::string_view key,
                      const Precondition& precondition);

  // The upload's head. ENOENT: no such upload, or it is another key's.
  absl::StatusOr<ObjectFile> OpenUpload(absl::string_view key, absl::string_view upload_id) const;
  absl::StatusOr<std::vector<UploadedPart>> PartsOf(absl::string_view upload_id) const;
  absl::StatusOr<UploadedPart> AddPart(absl::string_view key, absl::string_view upload_id,
                                       uint32_t number, ObjectFileWriter& file);
  absl::Status JoinParts(const CallContext& call, const CompleteRequest& request,
                         ObjectFileWriter& file) const;
  bool HideUpload(const std::string& upload_id) const;

  const std::string name_;  // the directory, for messages
  const Capabilities can_;
  const bool fsync_;
  const Clock* const clock_;
  const pid_t pid_;
  const Fd temporaries_, uploads_, locks_;
  ObjectTree tree_;
  RequestTally tally_;
  std::array<Shard, 16> shards_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_STORE_FILE_STORE_H_
