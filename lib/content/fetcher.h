// Brings base bytes into the cache: a miss becomes one ranged GET, and each block is in flight once.
#ifndef S3FILES_LIB_CONTENT_FETCHER_H_
#define S3FILES_LIB_CONTENT_FETCHER_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "lib/base/byte_range.h"
#include "lib/base/call_context.h"
#include "lib/base/executor.h"
#include "lib/cache/block_cache.h"
#include "lib/content/base.h"
#include "lib/store/object_store.h"

namespace s3files {

// What reading one behind the other asks to be read ahead at a time.
inline constexpr uint64_t kReadAheadWindow = 8 << 20;

// Thread-safe.
class Fetcher {
 public:
  // Read-ahead runs on `executor`, which ends before the fetcher does.
  Fetcher(ObjectStore* store, BlockCache* cache, Executor* executor)
      : store_(store), cache_(cache), executor_(executor) {}

  // Fills `out` with the base's bytes from `offset`; all of it lies within the base.
  // ESTALE: the store no longer has that version. `until`: the caller will ask for the bytes up to
  // there next, which a request that is sent anyway may bring, too.
  absl::Status Read(const CallContext& call, const BasePtr& base, uint64_t offset,
                    absl::Span<char> out, uint64_t until = 0);

  // Starts to bring `range` in, as far as a quarter of the pool allows. Never waits; errors are left
  // to the read that needs the bytes.
  void ReadAhead(const BasePtr& base, const ByteRange& range);

  // What an open learns in one request: what the object is, and its first bytes in the cache.
  struct Opened {
    ObjectInfo info;
    BasePtr base;
  };
  // ENOENT.
  absl::StatusOr<Opened> Open(const CallContext& call, absl::string_view key);

  // Whether the base's first block is in the cache.
  bool Resident(const Base& base) const { return base.size == 0 || cache_->Contains(base.id, 0); }

  BlockCache* cache() const { return cache_; }

 private:
  class Flight;
  class BlockSink;
  using FlightKey = std::pair<uint64_t, uint64_t>;  // base id, block index

  // A flight for the blocks of [first, first + count) up to one that is resident or in flight;
  // `claimed`: the caller carries it out. Null where `first` itself is resident, in flight (then
  // *other is who brings it), or no block could be had.
  std::shared_ptr<Flight> Register(const BasePtr& base, uint64_t first, uint64_t count,
                                   bool claimed, std::shared_ptr<Flight>* other);
  // Carries out the flight's GET and ends it.
  absl::Status Fly(const CallContext& call, Flight& flight);
  void Land(Flight& flight, const absl::Status& status);
  absl::Status ReadBlock(const CallContext& call, const BasePtr& base, const ByteRange& wanted,
                         uint64_t offset, absl::Span<char> out);
  absl::Status ReadDirect(const CallContext& call, const Base& base, uint64_t offset,
                          absl::Span<char> out);

  ObjectStore* const store_;
  BlockCache* const cache_;
  Executor* const executor_;

  absl::Mutex mu_;  // before the cache's
  absl::flat_hash_map<FlightKey, std::shared_ptr<Flight>> flights_ ABSL_GUARDED_BY(mu_);
  uint64_t ahead_ ABSL_GUARDED_BY(mu_) = 0;  // blocks being read ahead
};

}  // namespace s3files

#endif  // S3FILES_LIB_CONTENT_FETCHER_H_
