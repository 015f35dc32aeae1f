// Uploads the parts of a large file while it is still being written, one after another from its
// start.
#ifndef S3FILES_LIB_SYNC_EARLY_UPLOAD_H_
#define S3FILES_LIB_SYNC_EARLY_UPLOAD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/byte_range.h"
#include "lib/base/call_context.h"
#include "lib/base/executor.h"
#include "lib/content/content.h"
#include "lib/store/object_store.h"
#include "lib/sync/uploads.h"
#include "lib/sync/write_plan.h"

namespace s3files {

// The tags that a rewrite takes over from the object `key`; none, and no request, where it is empty.
// None either where there is no such object any more: the write's precondition will tell.
absl::StatusOr<ObjectTags> KeptTags(const CallContext& call, ObjectStore* store,
                                    const std::string& key);

// Belongs to one live generation of one content. Its parts are kept staged, too, until the commit:
// what can be lost is only the effort. Thread-safe.
class EarlyUpload : public std::enable_shared_from_this<EarlyUpload> {
 public:
  // `request`: key, metadata and commit id of the object to be. `tags_of`: where the
  // store has the one that is replaced, if that has tags; else empty.
  EarlyUpload(ObjectStore* store, Uploads* uploads, Executor* executor,
              std::shared_ptr<Content> content, PutRequest request, std::string tags_of,
              const PartPolicy& policy)
      : store_(store),
        uploads_(uploads),
        executor_(executor),
        content_(std::move(content)),
        request_(std::move(request)),
        tags_of_(std::move(tags_of)),
        policy_(policy) {}

  const PutRequest& request() const { return request_; }

  // Starts the upload of every part that is complete by now. Never waits.
  void Advance();

  struct Part {
    ByteRange range;
    UploadedPart uploaded;
  };
  struct Result {
    std::string upload_id;    // empty: there is no upload
    std::vector<Part> parts;  // those that were uploaded, by number; failed ones are missing
  };
  // Advance does nothing from now on. To be called before the generation is frozen: what comes
  // after it is another file.
  void Stop();
  // Stops it and waits for the parts under way. The upload is the caller's to complete or abort. On
  // error (ETIMEDOUT, ECANCELED) it is as after Abort.
  absl::StatusOr<Result> Take(const CallContext& call);
  // Stops it, cuts the parts under way short, and removes what the store has of the upload; waits
  // for that as long as `call` allows.
  void Abort(const CallContext& call);

 private:
  class Source;
  void Start();
  absl::StatusOr<std::string> CreateUpload();
  void Upload(uint32_t number, SealedBytes bytes);
  void SubmitPart(uint32_t number, SealedBytes bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SubmitAbort() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndTask() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Abandon();
  absl::Status AwaitIdle(const CallContext& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  ObjectStore* const store_;
  Uploads* const uploads_;
  Executor* const executor_;
  const std::shared_ptr<Content> content_;
  const PutRequest request_;
  const std::string tags_of_;
  const PartPolicy policy_;
  const std::shared_ptr<CancelToken> parts_token_ = std::make_shared<CancelToken>();

  absl::Mutex mu_;  // before the content's
  absl::CondVar idle_;
  bool started_ ABSL_GUARDED_BY(mu_) = false;    // the first part has been scheduled
  bool over_ ABSL_GUARDED_BY(mu_) = false;       // taken, or could not be created
  bool abandoned_ ABSL_GUARDED_BY(mu_) = false;  // the task that ends last aborts the upload
  std::string upload_id_ ABSL_GUARDED_BY(mu_);
  uint64_t scheduled_end_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t next_number_ ABSL_GUARDED_BY(mu_) = 1;
  int pending_ ABSL_GUARDED_BY(mu_) = 0;                                        // tasks
  std::vector<std::pair<uint32_t, SealedBytes>> waiting_ ABSL_GUARDED_BY(mu_);  // for the upload id
  std::vector<Part> done_ ABSL_GUARDED_BY(mu_);
};

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_EARLY_UPLOAD_H_
