// Multipart uploads by their ids, so that none is left behind: with a journal not even by a process
// that dies.
#ifndef S3FILES_LIB_SYNC_UPLOADS_H_
#define S3FILES_LIB_SYNC_UPLOADS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/call_context.h"
#include "lib/base/executor.h"
#include "lib/journal/journal.h"
#include "lib/store/object_store.h"

namespace s3files {

// Thread-safe.
class Uploads {
 public:
  // `journal` may be null.
  Uploads(ObjectStore* store, Executor* executor, Journal* journal)
      : store_(store), executor_(executor), journal_(journal) {}

  // As the store's. When Create returns the id is in the journal, unless that cannot be written.
  absl::StatusOr<std::string> Create(const CallContext& call, const PutRequest& request);
  absl::StatusOr<Stamp> Complete(const CallContext& call, const CompleteRequest& request);
  // Has its own patience: an upload left behind costs its owner money every month. Where it fails it
  // is tried again when the store has answered another upload, and at the next open.
  void Abort(const std::string& key, const std::string& upload_id);

  // Aborts those of a process that died. One request for each.
  void Recover(const std::map<uint64_t, UploadRow>& rows);

 private:
  bool TryAbort(const std::string& key, const std::string& upload_id);
  void Forget(const std::string& upload_id);
  void AbortLeft();

  ObjectStore* const store_;
  Executor* const executor_;
  Journal* const journal_;

  absl::Mutex mu_;  // before the journal's
  // Rows of the journal by upload id.
  absl::flat_hash_map<std::string, uint64_t> rows_ ABSL_GUARDED_BY(mu_);
  std::vector<UploadRow> left_ ABSL_GUARDED_BY(mu_);  // whose abort failed
};

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_UPLOADS_H_
