#include "lib/content/fetcher.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "lib/base/errors.h"
#include "lib/base/wait.h"

namespace s3files {
namespace {

// One GET brings at most this much: large enough to hide a round trip, small enough to run several
// beside each other.
constexpr uint64_t kLargestFetch = (8 << 20) / kBlockSize;
constexpr uint64_t kReadAheadFetch = (4 << 20) / kBlockSize;

uint64_t BlockCount(uint64_t size) { return (size + kBlockSize - 1) / kBlockSize; }

// The range's bytes of exactly the base's version: as the newest one, else by its version id.
absl::Status GetBase(const CallContext& call, ObjectStore* store, const Base& base,
                     const ByteRange& range, ByteSink& sink) {
  GetRequest request;
  request.key = base.key;
  request.range = range;
  if (base.version.known()) request.if_match = base.version;
  absl::Status status = store->Get(call, request, sink).status();
  const int error = ErrnoOf(status);
  if (error != ESTALE && error != ENOENT && error != ERANGE) return status;
  if (!base.version.version_id().empty()) {
    request.by_version_id = true;
    status = store->Get(call, request, sink).status();
    const int again = ErrnoOf(status);
    // It may still be there: then the next attempt reads it.
    if (status.ok() || again == EIO || again == ETIMEDOUT || again == ECANCELED) return status;
  }
  return Error(ESTALE,
               "object " + base.key + " was removed or replaced in the store while version " +
                   base.version.ToString() + " of it was being read; open it again",
               ReplyOf(status));
}

}  // namespace

// One GET under way. Blocks land in order.
class Fetcher::Flight {
 public:
  Flight(BasePtr base, uint64_t first, bool claimed)
      : base(std::move(base)), first(first), claimed_(claimed) {}

  const BasePtr base;
  const uint64_t first;
  std::vector<BlockRef> blocks;  // set before others see the flight; whoever claims it clears it
  uint64_t count = 0;            // of blocks; does not change once others see the flight

  // Whoever gets true carries the flight out: a read must not wait behind a queue of read-aheads.
  bool Claim() { return !claimed_.exchange(true, std::memory_order_acq_rel); }

  ByteRange range() const {
    return {first * kBlockSize, std::min((first + blocks.size()) * kBlockSize, base->size)};
  }

  absl::Mutex mu;  // leaf
  absl::CondVar changed;
  uint64_t landed ABSL_GUARDED_BY(mu) = 0;  // blocks that are complete
  bool over ABSL_GUARDED_BY(mu) = false;
  absl::Status status ABSL_GUARDED_BY(mu);

 private:
  std::atomic<bool> claimed_;
};

// Puts arriving bytes straight into the flight's blocks and publishes each as it fills.
class Fetcher::BlockSink final : public ByteSink {
 public:
  BlockSink(BlockCache* cache, Flight* flight) : cache_(cache), flight_(flight) {}

  absl::Status Write(uint64_t offset, absl::Span<const char> bytes) override {
    const uint64_t length = flight_->range().size();
    if (bytes.size() > length || offset > length - bytes.size()) {
      return Error(EIO, "the store sent more bytes than were asked for");
    }
    while (!bytes.empty()) {
      const uint64_t at = offset % kBlockSize;
      const size_t n = std::min<uint64_t>(bytes.size(), kBlockSize - at);
      const uint64_t index = offset / kBlockSize;
      if (index >= published_) {  // a transfer that starts over repeats published bytes
        std::memcpy(flight_->blocks[index].data() + at, bytes.data(), n);
      }
      offset += n;
      bytes.remove_prefix(n);
      if (offset % kBlockSize == 0 || offset == length) Publish(index);
    }
    return absl::OkStatus();
  }

 private:
  void Publish(uint64_t index) {
    if (index < published_) return;
    published_ = index + 1;
    cache_->Insert(flight_->base->id, flight_->first + index, flight_->blocks[index]);
    absl::MutexLock lock(&flight_->mu);
    flight_->landed = published_;
    flight_->changed.SignalAll();
  }

  BlockCache* const cache_;
  Flight* const flight_;
  uint64_t published_ = 0;
};

std::shared_ptr<Fetcher::Flight> Fetcher::Register(const BasePtr& base, uint64_t first,
                                                   uint64_t count, bool claimed,
                                                   std::shared_ptr<Flight>* other) {
  absl::MutexLock lock(&mu_);
  if (auto it = flights_.find(FlightKey(base->id, first)); it != flights_.end()) {
    *other = it->second;
    return nullptr;
  }
  auto flight = std::make_shared<Flight>(base, first, claimed);
  for (uint64_t index = first; index < first + count; ++index) {
    if (flights_.contains(FlightKey(base->id, index)) || cache_->Contains(base->id, index)) break;
    BlockRef block = cache_->Acquire(BlockUse::kInFlight);
    if (!block) break;
    flight->blocks.push_back(std::move(block));
  }
  if (flight->blocks.empty()) return nullptr;
  flight->count = flight->blocks.size();
  for (uint64_t i = 0; i < flight->blocks.size(); ++i) {
    flights_.emplace(FlightKey(base->id, first + i), flight);
  }
  return flight;
}

absl::Status Fetcher::Fly(const CallContext& call, Flight& flight) {
  BlockSink sink(cache_, &flight);
  const absl::Status status = GetBase(call, store_, *flight.base, flight.range(), sink);
  Land(flight, status);
  return status;
}

void Fetcher::Land(Flight& flight, const absl::Status& status) {
  {
    absl::MutexLock lock(&mu_);
    for (uint64_t i = 0; i < flight.blocks.size(); ++i) {
      flights_.erase(FlightKey(flight.base->id, flight.first + i));
    }
  }
  absl::MutexLock lock(&flight.mu);
  flight.over = true;
  flight.status = status;
  flight.blocks.clear();
  flight.changed.SignalAll();
}

absl::Status Fetcher::Read(const CallContext& call, const BasePtr& base, uint64_t offset,
                           absl::Span<char> out, uint64_t until) {
  const ByteRange wanted{offset, std::max(offset + out.size(), until)};
  while (!out.empty()) {
    const uint64_t end = (offset / kBlockSize + 1) * kBlockSize;
    const size_t n = std::min<uint64_t>(out.size(), end - offset);
    S3FILES_RETURN_IF_ERROR(ReadBlock(call, base, {offset, wanted.end}, offset, out.first(n)));
    offset += n;
    out.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::Status Fetcher::ReadBlock(const CallContext& call, const BasePtr& base,
                                const ByteRange& wanted, uint64_t offset, absl::Span<char> out) {
  const uint64_t index = offset / kBlockSize;
  while (true) {
    if (BlockRef block = cache_->Find(base->id, index)) {
      std::memcpy(out.data(), block.data() + offset % kBlockSize, out.size());
      return absl::OkStatus();
    }
    const uint64_t count = std::min(BlockCount(wanted.end) - index, kLargestFetch);
    std::shared_ptr<Flight> other;
    if (std::shared_ptr<Flight> mine = Register(base, index, count, true, &other)) {
      const BlockRef first = mine->blocks[0];  // stays readable, even if evicted meanwhile
      S3FILES_RETURN_IF_ERROR(Fly(call, *mine));
      std::memcpy(out.data(), first.data() + offset % kBlockSize, out.size());
      return absl::OkStatus();
    }
    if (other == nullptr) {
      if (cache_->Contains(base->id, index)) continue;  // it landed meanwhile
      return ReadDirect(call, *base, offset, out);      // every block is in use: needs none
    }
    if (other->Claim()) {
      S3FILES_RETURN_IF_ERROR(Fly(call, *other));
      continue;
    }
    absl::MutexLock lock(&other->mu);
    S3FILES_RETURN_IF_ERROR(WaitUntil(call, other->mu, other->changed, "waiting for a read", [&] {
      other->mu.AssertHeld();
      return other->over || other->landed > index - other->first;
    }));
    // What ended another call's patience need not end ours: then we try ourselves.
    const int error = ErrnoOf(other->status);
    if (error != 0 && error != ETIMEDOUT && error != ECANCELED) return other->status;
  }
}

absl::Status Fetcher::ReadDirect(const CallContext& call, const Base& base, uint64_t offset,
                                 absl::Span<char> out) {
  class SpanSink final : public ByteSink {
   public:
    explicit SpanSink(absl::Span<char> out) : out_(out) {}
    absl::Status Write(uint64_t offset, absl::Span<const char> bytes) override {
      if (bytes.size() > out_.size() || offset > out_.size() - bytes.size()) {
        return Error(EIO, "the store sent more bytes than were asked for");
      }
      std::memcpy(out_.data() + offset, bytes.data(), bytes.size());
      return absl::OkStatus();
    }

   private:
    absl::Span<char> out_;
  };
  SpanSink sink(out);
  return GetBase(call, store_, base, {offset, offset + out.size()}, sink);
}

void Fetcher::ReadAhead(const BasePtr& base, const ByteRange& range) {
  const uint64_t end = BlockCount(std::min(range.end, base->size));
  const uint64_t most = cache_->pool()->limit() / kBlockSize / 4;
  for (uint64_t index = range.begin / kBlockSize; index < end;) {
    if (cache_->Contains(base->id, index)) {
      ++index;
      continue;
    }
    const uint64_t count = std::min(end - index, kReadAheadFetch);
    {
      absl::MutexLock lock(&mu_);
      if (ahead_ + count > most) return;
    }
    std::shared_ptr<Flight> other;
    std::shared_ptr<Flight> flight = Register(base, index, count, false, &other);
    if (flight == nullptr) {
      if (other == nullptr) return;
      ++index;
      continue;
    }
    const uint64_t blocks = flight->count;  // a reader may have landed it already
    {
      absl::MutexLock lock(&mu_);
      ahead_ += blocks;
    }
    executor_->Submit([this, flight, blocks] {
      if (flight->Claim()) Fly(CallContext(), *flight).IgnoreError();
      absl::MutexLock lock(&mu_);
      ahead_ -= blocks;
    });
    index += blocks;
  }
}

absl::StatusOr<Fetcher::Opened> Fetcher::Open(const CallContext& call, absl::string_view key) {
  class OneBlockSink final : public ByteSink {
   public:
    explicit OneBlockSink(BlockRef block) : block_(std::move(block)) {}
    absl::Status Write(uint64_t offset, absl::Span<const char> bytes) override {
      if (bytes.size() > kBlockSize || offset > kBlockSize - bytes.size()) {
        return Error(EIO, "the store sent more bytes than were asked for");
      }
      std::memcpy(block_.data() + offset, bytes.data(), bytes.size());
      return absl::OkStatus();
    }
    const BlockRef& block() const { return block_; }

   private:
    const BlockRef block_;
  };

  const std::string name(key);
  BlockRef block = cache_->Acquire(BlockUse::kInFlight);
  if (block) {
    OneBlockSink sink(std::move(block));
    GetRequest request;
    request.key = name;
    request.range = ByteRange{0, kBlockSize};
    auto info = store_->Get(call, request, sink);
    if (info.ok()) {
      auto base = std::make_shared<const Base>(name, info->stamp.version, info->size);
      cache_->Insert(base->id, 0, sink.block());
      return Opened{std::move(info).value(), std::move(base)};
    }
    if (ErrnoOf(info.status()) != ERANGE) return info.status();
  }
  // An empty object has no range to be had, and a full pool no block.
  S3FILES_ASSIGN_OR_RETURN(ObjectInfo info, store_->Head(call, name));
  auto base = std::make_shared<const Base>(name, info.stamp.version, info.size);
  return Opened{std::move(info), std::move(base)};
}

}  // namespace s3files
