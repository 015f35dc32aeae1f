// S3's rules as MemoryStore and FileStore enforce them: a request that S3 would refuse is refused
// here too, so that what works on a local store works on a bucket.
#ifndef S3FILES_LIB_STORE_LOCAL_RULES_H_
#define S3FILES_LIB_STORE_LOCAL_RULES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/store/object_store.h"

namespace s3files {

// 1..1,024 bytes, any.
absl::Status CheckKey(absl::string_view key);

// Can it be sent at all? Unknown cannot; neither can a delete of what is absent.
absl::Status CheckExpressible(const Precondition& precondition, absl::string_view key);
absl::Status CheckDeletable(const Precondition& precondition, absl::string_view key);

// What is left of `precondition` on a store that honours the two kinds so.
Precondition Honoured(const Precondition& precondition, bool create, bool replace);

// Holds `precondition` for a key that has `current`? EEXIST, ESTALE.
absl::Status CheckPrecondition(const Precondition& precondition, const Version& current,
                               absl::string_view key);

// ESTALE unless `wanted` is not known, or is what is there.
absl::Status CheckSource(const Version& wanted, const Version& current, absl::string_view key);

// The bytes to send of an object of `size`. ERANGE, EINVAL (an empty range has no header).
absl::StatusOr<ByteRange> ResolveRange(const std::optional<ByteRange>& range, uint64_t size,
                                       absl::string_view key);

absl::Status CheckPutSize(const Capabilities& can, uint64_t size, absl::string_view key);
absl::Status CheckCopy(const CopyRequest& request);
absl::Status CheckCopySize(const Capabilities& can, uint64_t size, absl::string_view key);
absl::Status CheckPart(const Capabilities& can, uint32_t number, uint64_t size);
absl::Status CheckPartCopy(const Capabilities& can, const PartCopyRequest& request,
                           uint64_t source_size);
// The parts named are there, in order, and of sizes the store takes; `stored` is by number.
absl::Status CheckComplete(const Capabilities& can, const CompleteRequest& request,
                           const std::map<uint32_t, UploadedPart>& stored);
absl::Status CheckList(const ListRequest& request);

// The request's metadata with its commit id.
ObjectMetadata WithCommitId(ObjectMetadata metadata, absl::string_view commit_id);

absl::Status NoSuchKey(absl::string_view key);
absl::Status NoSuchUpload(absl::string_view key, absl::string_view upload_id);

// Fills a page. A position is a key, or a common prefix, from which (inclusive) a listing goes on;
// it is the token too.
class PageBuilder {
 public:
  explicit PageBuilder(const ListRequest& request);

  const std::string& from() const { return from_; }  // nothing before it belongs on the page
  // False: the page is full, and the next one begins at `position`.
  bool Takes(absl::string_view position);
  void Add(ListedObject object) { page_.objects.push_back(std::move(object)); }
  void AddPrefix(std::string prefix) { page_.prefixes.push_back(std::move(prefix)); }
  ListPage Finish() { return std::move(page_); }

 private:
  const uint32_t max_keys_;
  std::string from_;
  ListPage page_;
};

// Thread-safe.
class RequestTally {
 public:
  RequestCounts counts() const {
    absl::MutexLock lock(&mu_);
    return counts_;
  }
  void Bytes(uint64_t in, uint64_t out) {
    absl::MutexLock lock(&mu_);
    counts_.bytes_in += in;
    counts_.bytes_out += out;
  }
  // What every call does first and last: counts itself, checks deadline and key, runs, counts the
  // error.
  template <typename Result, typename Run>
  Result Perform(uint64_t RequestCounts::*kind, const CallContext& call, absl::string_view key,
                 Run run) {
    {
      absl::MutexLock lock(&mu_);
      ++(counts_.*kind);
    }
    absl::Status status = call.Check(key);
    if (status.ok()) status = CheckKey(key);
    Result result = status.ok() ? Result(run()) : Result(status);
    if (!result.ok()) {
      absl::MutexLock lock(&mu_);
      ++counts_.errors;
    }
    return result;
  }

 private:
  mutable absl::Mutex mu_;  // leaf
  RequestCounts counts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace s3files

#endif  // S3FILES_LIB_STORE_LOCAL_RULES_H_
