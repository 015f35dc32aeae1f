#include "lib/content/content.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lib/base/errors.h"
#include "lib/base/wait.h"

namespace s3files {
namespace {

// Splits `range` by layers from the top: calls `staged(overlay, piece)` for what an overlay holds,
// zeroes holes, and calls `base(piece)` for what shows through to the base.
template <typename Staged, typename FromBase>
absl::Status Resolve(const std::vector<const Overlay*>& layers, uint64_t base_size, ByteRange range,
                     absl::Span<char> out, Staged staged, FromBase from_base) {
  const uint64_t origin = range.begin;
  std::vector<ByteRange> open = {range};
  auto zero = [&](const ByteRange& piece) {
    if (!piece.empty()) std::memset(out.data() + (piece.begin - origin), 0, piece.size());
  };
  for (const Overlay* layer : layers) {
    std::vector<ByteRange> deeper;
    for (const ByteRange& wanted : open) {
      for (const ByteRange& piece : layer->staged().Within(wanted)) {
        S3FILES_RETURN_IF_ERROR(staged(*layer, piece));
      }
      for (const ByteRange& missing : layer->staged().Missing(wanted)) {
        const ByteRange through = Intersect(missing, {0, layer->below()});
        if (!through.empty()) deeper.push_back(through);
        zero({std::max(missing.begin, layer->below()), missing.end});
      }
    }
    open = std::move(deeper);
  }
  for (const ByteRange& wanted : open) {
    const ByteRange through = Intersect(wanted, {0, base_size});
    if (!through.empty()) S3FILES_RETURN_IF_ERROR(from_base(through));
    zero({std::max(wanted.begin, base_size), wanted.end});
  }
  return absl::OkStatus();
}

absl::Span<char> Part(absl::Span<char> out, uint64_t origin, const ByteRange& piece) {
  return out.subspan(piece.begin - origin, piece.size());
}

// Completes a block of committed bytes that is partly staged with what shows through from `from`.
bool Complete(BlockCache& cache, const Overlay& frozen, const Base* from, uint64_t index,
              const ByteRange& range, const BlockRef& block) {
  const uint64_t visible = from == nullptr ? 0 : std::min(frozen.below(), from->size);
  BlockRef below;
  for (const ByteRange& missing : frozen.staged().Missing(range)) {
    const ByteRange through = Intersect(missing, {0, visible});
    if (!through.empty()) {
      if (!below) below = cache.Find(from->id, index);
      if (!below) return false;
      const uint64_t at = through.begin % kBlockSize;
      std::memcpy(block.data() + at, below.data() + at, through.size());
    }
    const ByteRange hole{std::max(missing.begin, visible), missing.end};
    if (!hole.empty()) std::memset(block.data() + hole.begin % kBlockSize, 0, hole.size());
  }
  return true;
}

// A whole block with the bytes of a part, where there is one to be had.
BlockRef Enlarge(BlockCache& cache, const BlockRef& part) {
  BlockRef whole = cache.Acquire(BlockUse::kCached);
  if (whole) std::memcpy(whole.data(), part.data(), part.size());
  return whole;
}

// Makes what is in memory of `frozen` on `from` the cached bytes of `to`, which holds the same.
// `keep`: others still read `from`.
void CacheCommitted(BlockCache& cache, const Overlay* frozen, const Base* from, const Base& to,
                    bool keep = false) {
  for (uint64_t begin = 0; begin < to.size; begin += kBlockSize) {
    const uint64_t index = begin / kBlockSize;
    const ByteRange range{begin, std::min(begin + kBlockSize, to.size)};
    if (frozen != nullptr && frozen->staged().Intersects(range)) {
      BlockRef block = frozen->Block(index);
      if (block && block.size() < range.size()) block = Enlarge(cache, block);
      if (block && Complete(cache, *frozen, from, index, range, block)) {
        cache.Insert(to.id, index, std::move(block));
      }
    } else if (from != nullptr && !keep &&
               range.end <=
                   std::min(from->size, frozen == nullptr ? from->size : frozen->below())) {
      cache.Move(from->id, to.id, index);
    }
  }
  // What was not moved is of no use to anybody, and would push out what is.
  if (from == nullptr || keep) return;
  for (uint64_t index = 0; index * kBlockSize < from->size; ++index) {
    cache.Erase(from->id, index);
  }
}

bool AllEmpty(absl::Span<const absl::Span<const char>> pieces) {
  return std::all_of(pieces.begin(), pieces.end(), [](const auto& piece) { return piece.empty(); });
}

}  // namespace

uint64_t Snapshot::size() const {
  if (overlay != nullptr) return overlay->size();
  return base == nullptr ? 0 : base->size;
}

uint64_t Snapshot::base_visible() const {
  if (base == nullptr) return 0;
  return overlay == nullptr ? base->size : std::min(base->size, overlay->below());
}

uint64_t Content::SizeLocked() const {
  if (live_ != nullptr) return live_->size();
  if (frozen_ != nullptr) return frozen_->size();
  return base_ == nullptr ? 0 : base_->size;
}

uint64_t Content::size() const {
  absl::ReaderMutexLock lock(&mu_);
  return SizeLocked();
}

BasePtr Content::base() const {
  absl::ReaderMutexLock lock(&mu_);
  return base_;
}

bool Content::staged() const {
  absl::ReaderMutexLock lock(&mu_);
  return live_ != nullptr || frozen_ != nullptr;
}

uint64_t Content::staged_bytes() const {
  absl::ReaderMutexLock lock(&mu_);
  return (live_ == nullptr ? 0 : live_->staged().total()) +
         (frozen_ == nullptr ? 0 : frozen_->staged().total());
}

absl::Status Content::CopyStaged(const ByteRange& range, absl::Span<char> out,
                                 std::vector<ByteRange>* from_base) const {
  std::vector<const Overlay*> layers;
  if (live_ != nullptr) layers.push_back(live_.get());
  if (frozen_ != nullptr) layers.push_back(frozen_.get());
  return Resolve(
      layers, base_ == nullptr ? 0 : base_->size, range, out,
      [&](const Overlay& layer, const ByteRange& piece) {
        return layer.Read(piece.begin, Part(out, range.begin, piece));
      },
      [&](const ByteRange& piece) {
        from_base->push_back(piece);
        return absl::OkStatus();
      });
}

absl::StatusOr<size_t> Content::Read(const CallContext& call, uint64_t offset,
                                     absl::Span<char> out) {
  while (true) {
    BasePtr base;
    ByteRange range;
    std::vector<ByteRange> from_base;
    {
      absl::ReaderMutexLock lock(&mu_);
      range = Intersect({offset, offset + out.size()}, {0, SizeLocked()});
      if (range.empty()) return 0;
      base = base_;
      if (live_ == nullptr && frozen_ == nullptr) {
        from_base.push_back(range);
      } else {
        S3FILES_RETURN_IF_ERROR(CopyStaged(range, out, &from_base));
      }
    }
    absl::Status status;
    for (const ByteRange& piece : from_base) {
      status = fetcher_->Read(call, base, piece.begin, Part(out, offset, piece));
      if (!status.ok()) break;
    }
    if (status.ok()) return range.size();
    if (ErrnoOf(status) != ESTALE) return status;
    // Our own commit may have replaced the version: then the same bytes have a new name.
    S3FILES_ASSIGN_OR_RETURN(const bool rebased, Rebased(call, base));
    if (!rebased) return status;
  }
}

absl::StatusOr<bool> Content::Rebased(const CallContext& call, const BasePtr& stale) {
  absl::MutexLock lock(&mu_);
  S3FILES_RETURN_IF_ERROR(WaitUntil(call, mu_, committed_, "waiting for a commit of the file", [&] {
    mu_.AssertHeld();
    return base_ != stale || !committing_;
  }));
  return base_ != stale;
}

absl::Status Content::Writable() const {
  if (!retired_) return absl::OkStatus();
  return Error(ESTALE,
               "another version has replaced the file since this handle was opened; open it again");
}

Overlay& Content::Live() {
  if (live_ == nullptr) {
    live_ = std::make_shared<Overlay>(SizeLocked(), fetcher_->cache(), spill_);
  }
  return *live_;
}

absl::Status Content::Write(uint64_t offset, absl::Span<const absl::Span<const char>> pieces) {
  absl::MutexLock lock(&mu_);
  S3FILES_RETURN_IF_ERROR(Writable());
  if (AllEmpty(pieces)) return absl::OkStatus();
  const bool fresh = live_ == nullptr;
  absl::Status status = Live().Write(offset, pieces);
  if (!status.ok() && fresh) live_ = nullptr;
  return status;
}

absl::StatusOr<uint64_t> Content::Append(absl::Span<const absl::Span<const char>> pieces) {
  absl::MutexLock lock(&mu_);
  S3FILES_RETURN_IF_ERROR(Writable());
  const uint64_t offset = SizeLocked();
  if (AllEmpty(pieces)) return offset;
  const bool fresh = live_ == nullptr;
  if (absl::Status status = Live().Write(offset, pieces); !status.ok()) {
    if (fresh) live_ = nullptr;
    return status;
  }
  return offset;
}

absl::Status Content::Truncate(uint64_t size) {
  absl::MutexLock lock(&mu_);
  S3FILES_RETURN_IF_ERROR(Writable());
  if (size != SizeLocked()) Live().Truncate(size);
  return absl::OkStatus();
}

void Content::StageCreation() {
  absl::MutexLock lock(&mu_);
  Live();
}

void Content::Retire() {
  absl::MutexLock lock(&mu_);
  retired_ = true;
}

bool Content::RetireUnlessStaged() {
  absl::MutexLock lock(&mu_);
  if (live_ != nullptr || frozen_ != nullptr) return false;
  retired_ = true;
  return true;
}

bool Content::retired() const {
  absl::ReaderMutexLock lock(&mu_);
  return retired_;
}

absl::Status Content::Merge() {
  if (frozen_ == nullptr) return absl::OkStatus();
  if (live_ != nullptr) S3FILES_RETURN_IF_ERROR(frozen_->Absorb(*live_));
  live_ = std::move(frozen_);
  frozen_ = nullptr;
  live_->ForgetSeals();
  return absl::OkStatus();
}

absl::StatusOr<Snapshot> Content::Freeze() {
  absl::MutexLock lock(&mu_);
  S3FILES_RETURN_IF_ERROR(Merge());
  frozen_ = std::move(live_);
  live_ = nullptr;
  committing_ = true;
  return Snapshot{base_, frozen_, own_base_.has_value()};
}

absl::Status Content::Thaw() {
  absl::MutexLock lock(&mu_);
  EndCommit();
  return Merge();
}

void Content::Rebase(BasePtr base) {
  std::shared_ptr<Overlay> committed;  // outlives the lock: freeing a large file takes its time
  absl::MutexLock lock(&mu_);
  if (frozen_ != nullptr) {
    CacheCommitted(*fetcher_->cache(), frozen_.get(), base_.get(), *base, own_base_.has_value());
  }
  base_ = std::move(base);
  own_base_.reset();
  committed = std::move(frozen_);
  frozen_ = nullptr;
  EndCommit();
}

void Content::Suspend() {
  absl::MutexLock lock(&mu_);
  EndCommit();
}

bool Content::RetireUnlessWritten() {
  absl::MutexLock lock(&mu_);
  if (live_ != nullptr) return false;
  retired_ = true;
  return true;
}

Content::Shape Content::shape() const {
  absl::ReaderMutexLock lock(&mu_);
  Shape shape;
  shape.size = SizeLocked();
  shape.has_base = base_ != nullptr;
  uint64_t below = base_ == nullptr ? 0 : base_->size;
  for (const Overlay* layer : {frozen_.get(), live_.get()}) {
    if (layer == nullptr) continue;
    below = std::min(below, layer->below());
    RangeSet staged;
    for (const ByteRange& range : shape.staged.Within({0, layer->below()})) staged.Add(range);
    for (const ByteRange& range : layer->staged().Within({0, layer->size()})) staged.Add(range);
    shape.staged = std::move(staged);
  }
  shape.base_visible = below;
  shape.is_copy =
      own_base_.has_value() && shape.staged.empty() && base_->size == below && shape.size == below;
  return shape;
}

void Content::EndCommit() {
  committing_ = false;
  committed_.SignalAll();
}

void Content::Rename(BasePtr base) {
  absl::MutexLock lock(&mu_);
  BasePtr& committed = own_base_ ? *own_base_ : base_;
  CacheCommitted(*fetcher_->cache(), nullptr, committed.get(), *base);
  committed = std::move(base);
}

void Content::Adopt(BasePtr base) {
  absl::MutexLock lock(&mu_);
  (own_base_ ? *own_base_ : base_) = std::move(base);
}

void Content::Discard() {
  absl::MutexLock lock(&mu_);
  live_ = nullptr;
  frozen_ = nullptr;
  if (own_base_) base_ = *std::move(own_base_);
  own_base_.reset();
}

absl::StatusOr<Content::Saved> Content::Save() {
  absl::MutexLock lock(&mu_);
  Saved saved;
  std::vector<std::shared_ptr<OverlayFile>> files;
  for (const std::shared_ptr<Overlay>& overlay : {frozen_, live_}) {
    if (overlay == nullptr) continue;
    S3FILES_ASSIGN_OR_RETURN(std::shared_ptr<OverlayFile> file, overlay->Save());
    saved.overlays.push_back(overlay->saved());
    if (file != nullptr) files.push_back(std::move(file));
  }
  for (const auto& file : files) file->Keep();
  saved.files.assign(files.begin(), files.end());
  return saved;
}

absl::Status Content::Restore(const std::vector<SavedOverlay>& overlays) {
  absl::MutexLock lock(&mu_);
  for (const SavedOverlay& saved : overlays) {
    S3FILES_ASSIGN_OR_RETURN(std::shared_ptr<Overlay> overlay,
                             Overlay::Restore(saved, fetcher_->cache(), spill_));
    if (live_ == nullptr) {
      live_ = std::move(overlay);
    } else {
      S3FILES_RETURN_IF_ERROR(live_->Absorb(*overlay));
    }
  }
  return absl::OkStatus();
}

uint64_t Content::sequential_end() const {
  absl::ReaderMutexLock lock(&mu_);
  return live_ != nullptr && live_->below() == 0 ? live_->sequential_end() : 0;
}

std::optional<SealedBytes> Content::Seal(const ByteRange& range) {
  absl::MutexLock lock(&mu_);
  if (live_ == nullptr || !live_->staged().Contains(range)) return std::nullopt;
  return live_->Seal(range);
}

}  // namespace s3files
