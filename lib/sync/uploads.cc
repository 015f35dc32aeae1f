#include "lib/sync/uploads.h"

#include <utility>

#include "lib/base/clock.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

constexpr int64_t kAbortPatienceNs = 20'000'000'000;

}  // namespace

// Recorded after the reply: an intent recorded before it could not be told from another client's upload
// to the key, and one that never got its first part holds no bytes.
absl::StatusOr<std::string> Uploads::Create(const CallContext& call, const PutRequest& request) {
  S3FILES_ASSIGN_OR_RETURN(std::string upload_id, store_->CreateUpload(call, request));
  if (journal_ == nullptr) return upload_id;
  uint64_t ticket;
  {
    absl::MutexLock lock(&mu_);
    const uint64_t id = journal_->NewId();
    rows_[upload_id] = id;
    ticket = journal_->Put(id, UploadRow{request.key, upload_id});
  }
  journal_->Wait(call, ticket).IgnoreError();  // it goes on trying by itself
  return upload_id;
}

absl::StatusOr<Stamp> Uploads::Complete(const CallContext& call, const CompleteRequest& request) {
  absl::StatusOr<Stamp> stamp = store_->CompleteUpload(call, request);
  if (stamp.ok()) Forget(request.upload_id);
  return stamp;
}

void Uploads::Abort(const std::string& key, const std::string& upload_id) {
  if (TryAbort(key, upload_id)) {
    Forget(upload_id);
    return;
  }
  absl::MutexLock lock(&mu_);
  left_.push_back({key, upload_id});
}

bool Uploads::TryAbort(const std::string& key, const std::string& upload_id) {
  CallContext call;
  call.deadline_ns = MonotonicNanos() + kAbortPatienceNs;
  return store_->AbortUpload(call, key, upload_id).ok();
}

void Uploads::Forget(const std::string& upload_id) {
  absl::MutexLock lock(&mu_);
  if (auto it = rows_.find(upload_id); it != rows_.end()) {
    journal_->Remove(it->second);
    rows_.erase(it);
  }
  if (!left_.empty()) executor_->Submit([this] { AbortLeft(); });
}

void Uploads::AbortLeft() {
  UploadRow row;
  {
    absl::MutexLock lock(&mu_);
    if (left_.empty()) return;
    row = std::move(left_.back());
    left_.pop_back();
  }
  Abort(row.key, row.upload_id);  // and then the next one
}

void Uploads::Recover(const std::map<uint64_t, UploadRow>& rows) {
  std::vector<const UploadRow*> uploads;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [id, row] : rows) {
      rows_[row.upload_id] = id;
      uploads.push_back(&row);
    }
  }
  ParallelFor(executor_, uploads.size(),
              [&](size_t i) { Abort(uploads[i]->key, uploads[i]->upload_id); });
}

}  // namespace s3files
