// An ObjectStore for tests of the layers above: fails chosen calls before or after their effect,
// holds calls until released (so that tests await conditions and never sleep), runs code in between
// (a foreign writer), and logs every call.
#ifndef S3FILES_TESTS_STORE_FAULTY_STORE_H_
#define S3FILES_TESTS_STORE_FAULTY_STORE_H_

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/errors.h"
#include "lib/store/object_store.h"

namespace s3files {

enum class Op {
  kProbe,
  kHead,
  kGet,
  kGetTags,
  kPut,
  kDelete,
  kDeleteMany,
  kList,
  kCopy,
  kCreateUpload,
  kUploadPart,
  kCopyPart,
  kCompleteUpload,
  kAbortUpload,
  kListParts,
  kListUploads,
};

struct LoggedCall {
  Op op;
  std::string key;  // the prefix for lists, the first key of DeleteMany
  Precondition precondition = Precondition::None();
  std::string source_key;          // of copies
  std::optional<ByteRange> range;  // of a GET or part copy
  Version if_match;                // of a GET, or the source version of a copy
  std::string commit_id;
  uint32_t part = 0;
  uint64_t size = 0;  // of the body
};

// Thread-safe. Rules apply to calls of their `op`, and of their `key` where it is not empty. Writes
// pass their bodies on to the base store unchanged.
class FaultyStore final : public ObjectStore {
 public:
  enum When { kBefore, kAfter };  // kAfter: the base store has done it, the reply is lost

  explicit FaultyStore(std::shared_ptr<ObjectStore> base) : base_(std::move(base)) {}

  // From now on the `nth` (1 = the next) matching call fails with `status`, and `times` - 1 after
  // it.
  void Fail(Op op, absl::Status status, When when = kBefore, int nth = 1, int times = 1,
            std::string key = "") {
    absl::MutexLock lock(&mu_);
    faults_.push_back({op, std::move(key), nth, times, when, std::move(status), nullptr});
  }

  // Runs `hook` before (or after) the nth matching call has its effect, with no lock held; it may
  // use the store (also this one).
  void Run(Op op, std::function<void()> hook, When when = kBefore, int nth = 1,
           std::string key = "") {
    absl::MutexLock lock(&mu_);
    faults_.push_back({op, std::move(key), nth, 1, when, absl::OkStatus(), std::move(hook)});
  }

  // The process dies at the nth call from now, of any kind: before it is sent, or before its reply is
  // seen. `hook` runs then, in that thread; from then on all calls fail.
  void Die(int nth, When when, std::function<void()> hook) {
    absl::MutexLock lock(&mu_);
    calls_ = 0;
    dies_at_ = nth;
    dies_ = when;
    on_death_ = std::move(hook);
  }
  bool died() const {
    absl::MutexLock lock(&mu_);
    return dies_at_ > 0 && calls_ >= dies_at_;
  }

  // Rules of Fail and Run that have not applied yet never will.
  void ClearFaults() {
    absl::MutexLock lock(&mu_);
    faults_.clear();
  }

  // Holds matching calls, before their effect, until Release. They end early as their call's
  // deadline or token says.
  void Hold(Op op, std::string key = "") {
    absl::MutexLock lock(&mu_);
    holds_.push_back({op, std::move(key), 0});
  }
  void Release(Op op, const std::string& key = "") {
    absl::MutexLock lock(&mu_);
    holds_.remove_if([&](const auto& hold) { return hold.op == op && hold.key == key; });
  }
  void ReleaseAll() {
    absl::MutexLock lock(&mu_);
    holds_.clear();
  }
  // Returns when at least `n` calls of this kind are held at once; false after `patience`.
  bool AwaitHeld(Op op, int n = 1, absl::Duration patience = absl::Seconds(30)) {
    absl::MutexLock lock(&mu_);
    auto held = [this, op, n]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      int count = 0;
      for (const HoldRule& hold : holds_) count += hold.op == op ? hold.waiting : 0;
      return count >= n;
    };
    return mu_.AwaitWithTimeout(absl::Condition(&held), patience);
  }
  // Returns when at least `n` calls of this kind have begun; false after `patience`.
  bool AwaitCalls(Op op, int n, absl::Duration patience = absl::Seconds(30)) {
    absl::MutexLock lock(&mu_);
    auto begun = [this, op, n]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return CountLocked(op) >= n; };
    return mu_.AwaitWithTimeout(absl::Condition(&begun), patience);
  }

  std::vector<LoggedCall> log() const {
    absl::MutexLock lock(&mu_);
    return log_;
  }
  std::vector<LoggedCall> log(Op op) const {
    absl::MutexLock lock(&mu_);
    std::vector<LoggedCall> calls;
    for (const LoggedCall& call : log_) {
      if (call.op == op) calls.push_back(call);
    }
    return calls;
  }
  int count(Op op) const {
    absl::MutexLock lock(&mu_);
    return CountLocked(op);
  }
  void ClearLog() {
    absl::MutexLock lock(&mu_);
    log_.clear();
  }
  // The most calls of any kind that were under way at once.
  int most_at_once() const {
    absl::MutexLock lock(&mu_);
    return most_;
  }
  ObjectStore& base() { return *base_; }

  const Capabilities& capabilities() const override { return base_->capabilities(); }
  RequestCounts counts() const override { return base_->counts(); }

  absl::Status Probe(const CallContext& call, absl::string_view prefix) override {
    return Do<absl::Status>(call, Logged(Op::kProbe, prefix),
                            [&] { return base_->Probe(call, prefix); });
  }
  absl::StatusOr<ObjectInfo> Head(const CallContext& call, absl::string_view key) override {
    return Do<absl::StatusOr<ObjectInfo>>(call, Logged(Op::kHead, key),
                                          [&] { return base_->Head(call, key); });
  }
  absl::StatusOr<ObjectInfo> Get(const CallContext& call, const GetRequest& request,
                                 ByteSink& sink) override {
    LoggedCall logged = Logged(Op::kGet, request.key);
    logged.range = request.range;
    logged.if_match = request.if_match;
    return Do<absl::StatusOr<ObjectInfo>>(call, std::move(logged),
                                          [&] { return base_->Get(call, request, sink); });
  }
  absl::StatusOr<ObjectTags> GetTags(const CallContext& call, absl::string_view key) override {
    return Do<absl::StatusOr<ObjectTags>>(call, Logged(Op::kGetTags, key),
                                          [&] { return base_->GetTags(call, key); });
  }
  absl::StatusOr<Stamp> Put(const CallContext& call, const PutRequest& request,
                            ByteSource& body) override {
    LoggedCall logged = Logged(Op::kPut, request.key);
    logged.precondition = request.precondition;
    logged.commit_id = request.commit_id;
    logged.size = body.size();
    return Do<absl::StatusOr<Stamp>>(call, std::move(logged),
                                     [&] { return base_->Put(call, request, body); });
  }
  absl::Status Delete(const CallContext& call, absl::string_view key,
                      const Precondition& precondition) override {
    LoggedCall logged = Logged(Op::kDelete, key);
    logged.precondition = precondition;
    return Do<absl::Status>(call, std::move(logged),
                            [&] { return base_->Delete(call, key, precondition); });
  }
  absl::StatusOr<std::vector<absl::Status>> DeleteMany(
      const CallContext& call, absl::Span<const std::string> keys) override {
    return Do<absl::StatusOr<std::vector<absl::Status>>>(
        call, Logged(Op::kDeleteMany, keys.empty() ? absl::string_view() : keys[0]),
        [&] { return base_->DeleteMany(call, keys); });
  }
  absl::StatusOr<ListPage> List(const CallContext& call, const ListRequest& request) override {
    return Do<absl::StatusOr<ListPage>>(call, Logged(Op::kList, request.prefix),
                                        [&] { return base_->List(call, request); });
  }
  absl::StatusOr<Stamp> Copy(const CallContext& call, const CopyRequest& request) override {
    LoggedCall logged = Logged(Op::kCopy, request.key);
    logged.precondition = request.precondition;
    logged.source_key = request.source_key;
    logged.if_match = request.source_version;
    logged.commit_id = request.commit_id;
    return Do<absl::StatusOr<Stamp>>(call, std::move(logged),
                                     [&] { return base_->Copy(call, request); });
  }
  absl::StatusOr<std::string> CreateUpload(const CallContext& call,
                                           const PutRequest& request) override {
    LoggedCall logged = Logged(Op::kCreateUpload, request.key);
    logged.commit_id = request.commit_id;
    return Do<absl::StatusOr<std::string>>(call, std::move(logged),
                                           [&] { return base_->CreateUpload(call, request); });
  }
  absl::StatusOr<UploadedPart> UploadPart(const CallContext& call, absl::string_view key,
                                          absl::string_view upload_id, uint32_t number,
                                          ByteSource& body) override {
    LoggedCall logged = Logged(Op::kUploadPart, key);
    logged.part = number;
    logged.size = body.size();
    return Do<absl::StatusOr<UploadedPart>>(call, std::move(logged), [&] {
      return base_->UploadPart(call, key, upload_id, number, body);
    });
  }
  absl::StatusOr<UploadedPart> CopyPart(const CallContext& call,
                                        const PartCopyRequest& request) override {
    LoggedCall logged = Logged(Op::kCopyPart, request.key);
    logged.part = request.number;
    logged.source_key = request.source_key;
    logged.range = request.source_range;
    logged.if_match = request.source_version;
    return Do<absl::StatusOr<UploadedPart>>(call, std::move(logged),
                                            [&] { return base_->CopyPart(call, request); });
  }
  absl::StatusOr<Stamp> CompleteUpload(const CallContext& call,
                                       const CompleteRequest& request) override {
    LoggedCall logged = Logged(Op::kCompleteUpload, request.key);
    logged.precondition = request.precondition;
    logged.commit_id = request.commit_id;
    return Do<absl::StatusOr<Stamp>>(call, std::move(logged),
                                     [&] { return base_->CompleteUpload(call, request); });
  }
  absl::Status AbortUpload(const CallContext& call, absl::string_view key,
                           absl::string_view upload_id) override {
    return Do<absl::Status>(call, Logged(Op::kAbortUpload, key),
                            [&] { return base_->AbortUpload(call, key, upload_id); });
  }
  absl::StatusOr<std::vector<UploadedPart>> ListParts(const CallContext& call,
                                                      absl::string_view key,
                                                      absl::string_view upload_id) override {
    return Do<absl::StatusOr<std::vector<UploadedPart>>>(
        call, Logged(Op::kListParts, key), [&] { return base_->ListParts(call, key, upload_id); });
  }
  absl::StatusOr<std::vector<PendingUpload>> ListUploads(const CallContext& call,
                                                         absl::string_view prefix) override {
    return Do<absl::StatusOr<std::vector<PendingUpload>>>(
        call, Logged(Op::kListUploads, prefix), [&] { return base_->ListUploads(call, prefix); });
  }

 private:
  struct Fault {
    Op op;
    std::string key;
    int skip;  // counts down to 1 = applies
    int times;
    When when;
    absl::Status status;  // OK where only the hook runs
    std::function<void()> hook;
  };
  struct HoldRule {
    Op op;
    std::string key;
    int waiting;
  };
  template <typename Rule>
  static bool Matches(const Rule& rule, const LoggedCall& call) {
    return rule.op == call.op && (rule.key.empty() || rule.key == call.key);
  }

  static LoggedCall Logged(Op op, absl::string_view key) {
    LoggedCall call;
    call.op = op;
    call.key = std::string(key);
    return call;
  }

  int CountLocked(Op op) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    int n = 0;
    for (const LoggedCall& call : log_) n += call.op == op ? 1 : 0;
    return n;
  }

  // The faults that apply to this call; counts it against those that do not yet.
  std::vector<Fault> Take(const LoggedCall& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    std::vector<Fault> taken;
    for (auto it = faults_.begin(); it != faults_.end();) {
      if (!Matches(*it, call) || --it->skip > 0) {
        ++it;
        continue;
      }
      taken.push_back(*it);
      it->skip = 1;
      it = --it->times > 0 ? std::next(it) : faults_.erase(it);
    }
    return taken;
  }

  // Waits while a hold matches. A polled wait, because a token and a deadline may end it too.
  absl::Status AwaitRelease(const CallContext& call, const LoggedCall& logged)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (;;) {
      HoldRule* hold = nullptr;
      for (HoldRule& candidate : holds_) {
        if (Matches(candidate, logged)) hold = &candidate;
      }
      if (hold == nullptr) return absl::OkStatus();
      ++hold->waiting;
      auto gone = [this, hold]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        for (const HoldRule& candidate : holds_) {
          if (&candidate == hold) return false;
        }
        return true;
      };
      absl::Status status;
      while (!mu_.AwaitWithTimeout(absl::Condition(&gone), absl::Milliseconds(5))) {
        status = call.Check(logged.key);
        if (status.ok()) continue;
        --hold->waiting;
        return status;
      }
    }
  }

  static absl::Status Apply(const std::vector<Fault>& faults, When when) {
    absl::Status status;
    for (const Fault& fault : faults) {
      if (fault.when != when) continue;
      if (fault.hook) fault.hook();
      if (status.ok()) status = fault.status;
    }
    return status;
  }

  template <typename Result, typename Call>
  Result Do(const CallContext& call, LoggedCall logged, Call run) {
    std::vector<Fault> faults;
    absl::Status status;
    std::function<void()> on_death;
    bool dead, after;
    {
      absl::MutexLock lock(&mu_);
      log_.push_back(logged);
      dead = dies_at_ > 0 && ++calls_ >= dies_at_;
      if (dead) on_death = std::exchange(on_death_, nullptr);
      after = dies_ == kAfter;
      most_ = std::max(most_, ++running_);
      faults = Take(logged);
      status = AwaitRelease(call, logged);
    }
    if (dead) {
      if (on_death != nullptr) {
        if (after) [[maybe_unused]]
          const Result unseen = run();
        on_death();
      }
      absl::MutexLock lock(&mu_);
      --running_;
      return Result(Error(EIO, "the process is dead"));
    }
    if (status.ok()) status = Apply(faults, kBefore);
    Result result = status.ok() ? Result(run()) : Result(status);
    if (status.ok()) {
      status = Apply(faults, kAfter);
      if (!status.ok()) result = Result(status);
    }
    absl::MutexLock lock(&mu_);
    --running_;
    return result;
  }

  const std::shared_ptr<ObjectStore> base_;
  mutable absl::Mutex mu_;  // leaf; not held while the base store or a hook runs
  std::list<Fault> faults_ ABSL_GUARDED_BY(mu_);
  std::list<HoldRule> holds_ ABSL_GUARDED_BY(mu_);
  std::vector<LoggedCall> log_ ABSL_GUARDED_BY(mu_);
  int calls_ ABSL_GUARDED_BY(mu_) = 0;    // since Die
  int dies_at_ ABSL_GUARDED_BY(mu_) = 0;  // 0: it lives
  When dies_ ABSL_GUARDED_BY(mu_) = kBefore;
  std::function<void()> on_death_ ABSL_GUARDED_BY(mu_);
  int running_ ABSL_GUARDED_BY(mu_) = 0;
  int most_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace s3files

#endif  // S3FILES_TESTS_STORE_FAULTY_STORE_H_
