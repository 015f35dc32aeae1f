// Carries out the write of one object: in one PUT, in parts, or as a copy on the server.
#ifndef S3FILES_LIB_SYNC_OBJECT_WRITER_H_
#define S3FILES_LIB_SYNC_OBJECT_WRITER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/call_context.h"
#include "lib/base/executor.h"
#include "lib/content/content.h"
#include "lib/inode/attributes.h"
#include "lib/store/object_store.h"
#include "lib/sync/early_upload.h"
#include "lib/sync/uploads.h"
#include "lib/sync/write_guard.h"
#include "lib/sync/write_plan.h"

namespace s3files {

struct WriteJob {
  std::string key;
  ObjectMetadata metadata;
  Version expected;  // what the key holds now: the precondition
  Snapshot snapshot;
  std::string commit_id;
  std::shared_ptr<EarlyUpload> early;    // may be null; its key and commit id are the job's
  std::string tags_of;                   // key of the object whose tags it keeps; empty = none
  AttributeChange change;                // staged, and part of `metadata`
  std::optional<ObjectMetadata> before;  // the inode's, where it shows `change` as if committed
  // Of an upload in parts: how many bytes are in the store. By several threads, in no order.
  std::function<void(uint64_t)> on_progress;
};

struct CopyJob {
  BasePtr source;
  std::string key;
  std::optional<ObjectMetadata> metadata;  // replaces the source's; nullopt keeps it
  Version expected;
  // With metadata; else only where the bytes must be written anew, the source's metadata with them.
  std::string commit_id;
  bool tagged = false;  // the source has tags
};

// After these a write may have happened all the same: EIO, ETIMEDOUT, ECANCELED.
bool IsAmbiguous(const absl::Status& status);

// Thread-safe. Parts go in parallel on the executor.
class ObjectWriter {
 public:
  ObjectWriter(ObjectStore* store, Uploads* uploads, Fetcher* fetcher, SpillArea* spill,
               Executor* executor, WriteGuard* guard, const PartPolicy& policy)
      : store_(store),
        uploads_(uploads),
        fetcher_(fetcher),
        spill_(spill),
        executor_(executor),
        guard_(guard),
        policy_(policy) {}

  // Returns the stamp of the object written. On failure the key holds what it held, and no upload
  // is left behind, except that after EIO, ETIMEDOUT or ECANCELED the write may have happened: then
  // the object carries the commit id. ESTALE, EEXIST: the key does not hold `expected`. EFBIG.
  absl::StatusOr<Stamp> Write(const CallContext& call, const WriteJob& job);

  // As Write, for bytes that the store has already. ENOENT: the source is gone. ESTALE: it, or the
  // target, has another version.
  absl::StatusOr<Stamp> Copy(const CallContext& call, const CopyJob& job);

  // Whether the object that a borrowed snapshot rests on has changed, and not the key written: a
  // failed condition does not say whose it was. One HEAD.
  absl::StatusOr<bool> SourceChanged(const CallContext& call, const WriteJob& job);

 private:
  // A part to be done, or done already (`uploaded` is set).
  struct Step {
    PlannedPart plan;
    UploadedPart uploaded;
  };
  absl::StatusOr<Stamp> WriteBytes(const CallContext& call, const WriteJob& job,
                                   EarlyUpload::Result early);
  absl::StatusOr<std::vector<Step>> StepsWithEarly(const WriteJob& job,
                                                   const EarlyUpload::Result& early) const;
  absl::StatusOr<Stamp> Put(const CallContext& call, const WriteJob& job);
  absl::StatusOr<Stamp> Multipart(const CallContext& call, const WriteJob& job,
                                  const std::string& upload_id, std::vector<Step> steps);
  absl::Status Carry(const CallContext& call, const WriteJob& job, const std::string& upload_id,
                     std::vector<Step>& steps);
  absl::Status CarryStep(const CallContext& call, const WriteJob& job, const std::string& upload_id,
                         Step& step);
  absl::StatusOr<Stamp> WriteParts(const CallContext& call, const WriteJob& job, WritePlan plan);
  absl::StatusOr<Stamp> Rewrite(const CallContext& call, const CopyJob& job);

  ObjectStore* const store_;
  Uploads* const uploads_;
  Fetcher* const fetcher_;
  SpillArea* const spill_;
  Executor* const executor_;
  WriteGuard* const guard_;
  const PartPolicy policy_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_OBJECT_WRITER_H_
