#include "lib/sync/early_upload.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "lib/base/errors.h"
#include "lib/base/wait.h"

namespace s3files {

absl::StatusOr<ObjectTags> KeptTags(const CallContext& call, ObjectStore* store,
                                    const std::string& key) {
  if (key.empty()) return ObjectTags();
  absl::StatusOr<ObjectTags> tags = store->GetTags(call, key);
  if (ErrnoOf(tags.status()) == ENOENT) return ObjectTags();
  return tags;
}

class EarlyUpload::Source final : public ByteSource {
 public:
  explicit Source(const SealedBytes* bytes) : bytes_(bytes) {}
  uint64_t size() const override { return bytes_->range().size(); }
  absl::Status Read(uint64_t offset, absl::Span<char> out) override {
    return bytes_->Read(bytes_->range().begin + offset, out);
  }

 private:
  const SealedBytes* const bytes_;
};

void EarlyUpload::Advance() {
  absl::MutexLock lock(&mu_);
  if (over_) return;
  const uint64_t end = content_->sequential_end();
  if (!started_ && end < policy_.multipart_threshold) return;
  while (next_number_ < store_->capabilities().most_parts) {
    const uint64_t size = StreamingPartSize(next_number_, policy_, store_->capabilities());
    if (end < scheduled_end_ + size) return;
    const ByteRange range{scheduled_end_, scheduled_end_ + size};
    std::optional<SealedBytes> bytes = content_->Seal(range);
    if (!bytes.has_value()) return;  // cut off or frozen meanwhile
    scheduled_end_ = range.end;
    const uint32_t number = next_number_++;
    if (!started_) {
      started_ = true;
      ++pending_;
      executor_->Submit([self = shared_from_this()] { self->Start(); });
    }
    if (upload_id_.empty()) {
      waiting_.emplace_back(number, *std::move(bytes));
    } else {
      SubmitPart(number, *std::move(bytes));
    }
  }
}

void EarlyUpload::SubmitPart(uint32_t number, SealedBytes bytes) {
  ++pending_;
  executor_->Submit([self = shared_from_this(), number, bytes = std::move(bytes)]() mutable {
    self->Upload(number, std::move(bytes));
  });
}

absl::StatusOr<std::string> EarlyUpload::CreateUpload() {
  PutRequest request = request_;
  S3FILES_ASSIGN_OR_RETURN(request.tags, KeptTags(CallContext(), store_, tags_of_));
  // Where a rename was carried out just now, the object is under its new key.
  if (request.tags.empty() && !tags_of_.empty() && tags_of_ != request_.key) {
    S3FILES_ASSIGN_OR_RETURN(request.tags, KeptTags(CallContext(), store_, request_.key));
  }
  return uploads_->Create(CallContext(), request);
}

void EarlyUpload::Start() {
  absl::StatusOr<std::string> id = CreateUpload();
  absl::MutexLock lock(&mu_);
  if (id.ok()) {
    upload_id_ = *std::move(id);
    if (!over_) {
      for (auto& [number, bytes] : waiting_) SubmitPart(number, std::move(bytes));
    }
  } else {
    over_ = true;  // the commit will try again, and report
  }
  waiting_.clear();
  EndTask();
}

void EarlyUpload::Upload(uint32_t number, SealedBytes bytes) {
  std::string upload_id;
  {
    absl::MutexLock lock(&mu_);
    upload_id = upload_id_;
  }
  Source source(&bytes);
  CallContext call;
  call.cancel = parts_token_;
  absl::StatusOr<UploadedPart> part =
      store_->UploadPart(call, request_.key, upload_id, number, source);
  const ByteRange range = bytes.range();
  bytes = SealedBytes();  // whoever waits for the end finds its memory free
  absl::MutexLock lock(&mu_);
  if (part.ok()) done_.push_back({range, *std::move(part)});
  EndTask();
}

void EarlyUpload::Stop() {
  absl::MutexLock lock(&mu_);
  over_ = true;
}

void EarlyUpload::SubmitAbort() {
  ++pending_;
  executor_->Submit([self = shared_from_this(), id = std::exchange(upload_id_, "")] {
    self->uploads_->Abort(self->request_.key, id);
    absl::MutexLock lock(&self->mu_);
    self->EndTask();
  });
}

void EarlyUpload::EndTask() {
  if (--pending_ > 0) return;
  if (abandoned_ && !upload_id_.empty()) {
    SubmitAbort();
  } else {
    idle_.SignalAll();
  }
}

void EarlyUpload::Abandon() {
  parts_token_->Cancel();
  absl::MutexLock lock(&mu_);
  over_ = abandoned_ = true;
  if (pending_ == 0 && !upload_id_.empty()) SubmitAbort();
}

absl::Status EarlyUpload::AwaitIdle(const CallContext& call) {
  return WaitUntil(call, mu_, idle_, "waiting for parts that are being uploaded", [this] {
    mu_.AssertHeld();
    return pending_ == 0;
  });
}

void EarlyUpload::Abort(const CallContext& call) {
  Abandon();
  absl::MutexLock lock(&mu_);
  AwaitIdle(call).IgnoreError();
}

absl::StatusOr<EarlyUpload::Result> EarlyUpload::Take(const CallContext& call) {
  Stop();
  absl::ReleasableMutexLock lock(&mu_);
  if (absl::Status status = AwaitIdle(call); !status.ok()) {
    lock.Release();
    Abandon();
    return status;
  }
  std::sort(done_.begin(), done_.end(),
            [](const Part& a, const Part& b) { return a.uploaded.number < b.uploaded.number; });
  return Result{std::exchange(upload_id_, ""), std::move(done_)};
}

}  // namespace s3files
