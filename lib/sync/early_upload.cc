#include "lib/sync/early_upload.h"

#include <algorithm>
#include <utility>

namespace s3files {

class EarlyUpload::Source final : public ByteSource {
 public:
  Source(const Content* content, ByteRange range) : content_(content), range_(range) {}
  uint64_t size() const override { return range_.size(); }
  absl::Status Read(uint64_t offset, absl::Span<char> out) override {
    return content_->ReadSealed(range_.begin + offset, out);
  }

 private:
  const Content* const content_;
  const ByteRange range_;
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
    content_->Seal(range);
    scheduled_end_ = range.end;
    const uint32_t number = next_number_++;
    if (!started_) {
      started_ = true;
      ++pending_;
      executor_->Submit([self = shared_from_this()] { self->Start(); });
    }
    if (upload_id_.empty()) {
      waiting_.emplace_back(number, range);
    } else {
      SubmitLocked(number, range);
    }
  }
}

void EarlyUpload::SubmitLocked(uint32_t number, ByteRange range) {
  ++pending_;
  executor_->Submit([self = shared_from_this(), number, range] { self->Upload(number, range); });
}

void EarlyUpload::Start() {
  absl::StatusOr<std::string> id = store_->CreateUpload(CallContext(), request_);
  absl::MutexLock lock(&mu_);
  if (id.ok()) {
    upload_id_ = *std::move(id);
    if (!over_) {
      for (const auto& [number, range] : waiting_) SubmitLocked(number, range);
    }
  } else {
    over_ = true;  // the commit will try again, and report
  }
  waiting_.clear();
  if (--pending_ == 0) idle_.SignalAll();
}

void EarlyUpload::Upload(uint32_t number, ByteRange range) {
  std::string upload_id;
  {
    absl::MutexLock lock(&mu_);
    upload_id = upload_id_;
  }
  Source source(content_.get(), range);
  absl::StatusOr<UploadedPart> part =
      store_->UploadPart(CallContext(), request_.key, upload_id, number, source);
  absl::MutexLock lock(&mu_);
  if (part.ok()) done_.push_back({range, *std::move(part)});
  if (--pending_ == 0) idle_.SignalAll();
}

void EarlyUpload::Stop() {
  absl::MutexLock lock(&mu_);
  over_ = true;
}

EarlyUpload::Result EarlyUpload::Take() {
  absl::MutexLock lock(&mu_);
  over_ = true;
  while (pending_ > 0) idle_.Wait(&mu_);
  std::sort(done_.begin(), done_.end(), [](const Part& a, const Part& b) {
    return a.uploaded.number < b.uploaded.number;
  });
  return {std::exchange(upload_id_, ""), std::move(done_)};
}

}  // namespace s3files
