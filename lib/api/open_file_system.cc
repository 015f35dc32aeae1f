#include "lib/api/open_file_system.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/api/options.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"
#include "lib/s3/s3_store.h"
#include "lib/store/file_store.h"
#include "lib/store/memory_store.h"

namespace s3files {
namespace {

#ifdef NDEBUG
// Debian builds Abseil without NDEBUG: every lock of the process then goes through one spinlock and
// a graph that looks for deadlocks, a tenth of what creating a small file costs. Optimised builds of
// Abseil have it off. Our debug builds, and with them the sanitizers' tests, keep it. Done when the
// library is loaded, so that an application which wants it can turn it on again in main.
[[maybe_unused]] const bool no_deadlock_graph = [] {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return true;
}();
#endif

constexpr int64_t kProbePatienceNs = 10'000'000'000;

absl::StatusOr<std::shared_ptr<ObjectStore>> OpenStore(const Url& url, Options& options) {
  switch (url.scheme) {
    case Scheme::kMemory:
      return std::shared_ptr<ObjectStore>(MemoryStore::Named(url.place));
    case Scheme::kFile: {
      FileStore::Options file;
      file.create = false;
      file.fsync = options.file_fsync;
      S3FILES_ASSIGN_OR_RETURN(std::shared_ptr<ObjectStore> store,
                               FileStore::Open(url.place, file));
      return store;
    }
    case Scheme::kS3: {
      options.s3.bucket = url.place;
      S3FILES_ASSIGN_OR_RETURN(std::shared_ptr<ObjectStore> store, S3Store::Create(options.s3));
      return store;
    }
  }
  return Error(EINVAL, "unknown scheme");
}

// A dead endpoint is found out soon, however patient calls are otherwise.
CallContext ProbeContext(const CallContext& call, int64_t timeout_ns) {
  CallContext probe = call;
  const int64_t soon = MonotonicNanos() + std::min(kProbePatienceNs, timeout_ns);
  probe.deadline_ns = call.deadline_ns == 0 ? soon : std::min(call.deadline_ns, soon);
  return probe;
}

}  // namespace

absl::StatusOr<std::shared_ptr<FileSystem>> OpenFileSystem(
    const CallContext& call, absl::string_view url_text,
    const std::vector<std::pair<std::string, std::string>>& given, EventSink* events,
    ConflictAdapter* conflicts) {
  S3FILES_ASSIGN_OR_RETURN(const Url url, ParseUrl(url_text));
  S3FILES_ASSIGN_OR_RETURN(Options options, ParseOptions(url.scheme, given));
  options.fs.prefix = url.prefix + options.root_directory;
  S3FILES_ASSIGN_OR_RETURN(std::shared_ptr<ObjectStore> store, OpenStore(url, options));
  S3FILES_RETURN_IF_ERROR(store->Probe(ProbeContext(call, options.timeout_ns), url.prefix));
  std::unique_ptr<Journal> journal;
  if (!options.state_dir.empty()) {
    const std::string of = absl::StrCat(url_text.substr(0, url_text.find("://")), "://", url.place,
                                        "/", options.fs.prefix, " ", options.s3.endpoint);
    S3FILES_ASSIGN_OR_RETURN(journal, Journal::Open(options.state_dir, of));
  }
  conflicts->set_default(options.on_conflict);
  const bool judged = conflicts->asks() || options.on_conflict != ConflictDecision::kStore;
  auto fs = std::make_shared<FileSystem>(std::move(store), options.fs, events, Clock::System(),
                                         std::move(journal), judged ? conflicts : nullptr);
  S3FILES_RETURN_IF_ERROR(fs->Recover(call));
  S3FILES_RETURN_IF_ERROR(fs->MakeRoot(call));
  return fs;
}

}  // namespace s3files
