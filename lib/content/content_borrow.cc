// Content: copies that the store is to make, and what becomes of them when it cannot.
#include <algorithm>
#include <utility>
#include <vector>

#include "lib/base/errors.h"
#include "lib/base/wait.h"
#include "lib/content/content.h"

namespace s3files {

bool Snapshot::IsCopy() const {
  return borrowed && overlay != nullptr && overlay->staged().empty() &&
         overlay->size() == base->size && overlay->below() == base->size;
}

BasePtr Content::committed_base() const {
  absl::ReaderMutexLock lock(&mu_);
  return own_base_ ? *own_base_ : base_;
}

bool Content::borrowed() const {
  absl::ReaderMutexLock lock(&mu_);
  return own_base_.has_value();
}

BasePtr Content::CleanBase() const {
  absl::ReaderMutexLock lock(&mu_);
  const bool clean = live_ == nullptr && frozen_ == nullptr && !committing_ && !retired_;
  return clean && base_ != nullptr && base_->version.known() ? base_ : nullptr;
}

absl::StatusOr<bool> Content::Borrow(const BasePtr& source) {
  absl::MutexLock lock(&mu_);
  S3FILES_RETURN_IF_ERROR(Writable());
  if (frozen_ != nullptr || committing_ || SizeLocked() != 0) return false;
  Live().ShowBelow(source->size);
  if (!own_base_) own_base_ = std::move(base_);
  base_ = source;
  return true;
}

absl::Status Content::Own(const CallContext& call) {
  BasePtr source;
  {
    absl::MutexLock lock(&mu_);
    if (!own_base_) return absl::OkStatus();
    source = base_;
  }
  S3FILES_RETURN_IF_ERROR(StageBaseOf(call, source));
  absl::MutexLock lock(&mu_);
  if (!own_base_ || base_ != source || !OnBase() || committing_) return absl::OkStatus();
  const ByteRange visible{0, std::min(live_->below(), source->size)};
  if (live_->staged().Missing(visible).empty()) {
    base_ = *std::move(own_base_);
    own_base_.reset();
  }
  return absl::OkStatus();
}

absl::Status Content::StageBase(const CallContext& call) {
  const BasePtr source = base();
  return source == nullptr ? absl::OkStatus() : StageBaseOf(call, source);
}

absl::Status Content::StageBaseOf(const CallContext& call, const BasePtr& source) {
  for (uint64_t at = 0; at < source->size; at += kBlockSize) {
    if (at % kReadAheadWindow == 0) ReadAhead({at, at + kReadAheadWindow});
    S3FILES_RETURN_IF_ERROR(
        StagePiece(call, source, {at, std::min(at + kBlockSize, source->size)}));
  }
  return absl::OkStatus();
}

// The live generation lies on the base, and nothing between them: a commit that failed and could not
// be undone for want of room leaves two.
bool Content::OnBase() const { return live_ != nullptr && frozen_ == nullptr; }

absl::Status Content::StagePiece(const CallContext& call, const BasePtr& source,
                                 const ByteRange& piece) {
  std::vector<char> buffer(piece.size());
  bool fetched = false;
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      S3FILES_RETURN_IF_ERROR(
          WaitUntil(call, mu_, committed_, "waiting for a commit of a copy", [&] {
            mu_.AssertHeld();
            return !committing_ || base_ != source;
          }));
      if (base_ != source || !OnBase()) return absl::OkStatus();
      const ByteRange visible = Intersect(piece, {0, live_->below()});
      if (visible.empty()) return absl::OkStatus();
      const std::vector<ByteRange> missing = live_->staged().Missing(visible);
      if (missing.empty()) return absl::OkStatus();
      if (fetched) {
        for (const ByteRange& range : missing) {
          S3FILES_RETURN_IF_ERROR(live_->Write(
              range.begin,
              absl::MakeConstSpan(buffer).subspan(range.begin - piece.begin, range.size())));
        }
        return absl::OkStatus();
      }
    }
    S3FILES_RETURN_IF_ERROR(fetcher_->Read(call, source, piece.begin, absl::MakeSpan(buffer)));
    fetched = true;
  }
}

void Content::ReadAhead(const ByteRange& range) {
  BasePtr base;
  std::vector<ByteRange> wanted;
  {
    absl::ReaderMutexLock lock(&mu_);
    base = base_;
    if (base == nullptr) return;
    wanted = {Intersect(range, {0, base->size})};
    for (const Overlay* layer : {live_.get(), frozen_.get()}) {
      if (layer == nullptr) continue;
      std::vector<ByteRange> deeper;
      for (const ByteRange& piece : wanted) {
        const ByteRange visible = Intersect(piece, {0, layer->below()});
        if (visible.empty()) continue;
        for (const ByteRange& missing : layer->staged().Missing(visible)) {
          deeper.push_back(missing);
        }
      }
      wanted = std::move(deeper);
    }
  }
  for (const ByteRange& piece : wanted) {
    if (!piece.empty()) fetcher_->ReadAhead(base, piece);
  }
}

}  // namespace s3files
