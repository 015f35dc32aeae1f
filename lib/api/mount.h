// The C ABI's own types, and how a call on one of them runs.
#ifndef S3FILES_LIB_API_MOUNT_H_
#define S3FILES_LIB_API_MOUNT_H_

#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/api/c_call.h"
#include "lib/base/errors.h"
#include "lib/base/event_sink.h"
#include "lib/fs/file_system.h"
#include "s3files/s3files.h"

namespace s3files {

// Hands events to the application's callback.
class EventAdapter final : public EventSink {
 public:
  EventAdapter(s3f_event_fn callback, void* user) : callback_(callback), user_(user) {}

  void OnEvent(const Event& event) override {
    if (callback_ == nullptr || closed_.load(std::memory_order_acquire)) return;
    const std::string message(event.status.message());
    s3f_event out = {};
    out.struct_size = sizeof(out);
    out.kind = static_cast<uint32_t>(event.kind);
    out.code = ErrnoOf(event.status);
    out.bytes = event.bytes;
    out.path = event.path.c_str();
    out.message = message.c_str();
    out.detail = event.detail.c_str();
    out.total = event.total;
    callback_(user_, &out);
  }
  // The file system is gone, though handles of it may be open: nobody is called any more.
  void Close() { closed_.store(true, std::memory_order_release); }

 private:
  const s3f_event_fn callback_;
  void* const user_;
  std::atomic<bool> closed_{false};
};

struct Mount;

// Asks the application what is to become of a conflict. Thread-safe.
class ConflictAdapter : public ConflictJudge {
 public:
  ConflictAdapter(s3f_conflict_fn callback, void* user) : callback_(callback), user_(user) {}

  bool asks() const { return callback_ != nullptr; }
  // What it says without a callback. Before the file system is opened.
  void set_default(ConflictDecision decision) { default_ = decision; }
  // From here on the callback is called; before, files with conflicts stay staged.
  void Open(std::weak_ptr<Mount> mount);
  // It is not called any more; waits for calls under way, which have the mount.
  void Close();

  ConflictDecision Judge(const ConflictCase& conflict) override;

 private:
  const s3f_conflict_fn callback_;
  void* const user_;
  ConflictDecision default_ = ConflictDecision::kStore;

  absl::Mutex mu_;  // leaf
  std::weak_ptr<Mount> mount_ ABSL_GUARDED_BY(mu_);
  int running_ ABSL_GUARDED_BY(mu_) = 0;
};

// A file system and what it reports to; handles share it, so that none outlives it.
struct Mount {
  explicit Mount(const s3f_fs_config& config)
      : events(config.on_event, config.on_event_user),
        conflicts(config.on_conflict, config.on_conflict_user) {}
  EventAdapter events;
  ConflictAdapter conflicts;
  std::shared_ptr<FileSystem> fs;
};

}  // namespace s3files

struct s3f_fs {
  std::shared_ptr<s3files::Mount> mount;
};

struct s3f_handle {
  std::shared_ptr<s3files::Mount> mount;
  std::unique_ptr<s3files::Handle> handle;
  bool lent = false;  // to a callback: closing it is nothing
};

namespace s3files {

absl::Status Missing(absl::string_view what);
// EINVAL unless all of `flags` are `known`.
absl::Status CheckKnown(uint32_t flags, uint32_t known);
absl::Status CheckAt(const s3f_fs* fs, const s3f_handle* at);
s3f_attr AttrOf(const FileInfo& info);

inline const Handle* AtOf(const s3f_handle* at) {
  return at == nullptr ? nullptr : at->handle.get();
}

// The context as the file system is to see it.
class CallerOf {
 public:
  CallerOf(const Mount& mount, const CallContext& given) : given_(given) {
    if (const auto& forced = mount.fs->forced_identity()) {
      forced_ = given;
      forced_->identity = forced;
    }
  }
  const CallContext& context() const { return forced_ ? *forced_ : given_; }

 private:
  const CallContext& given_;
  std::optional<CallContext> forced_;
};

// Runs `body(context, fs)`, which returns a Status or a StatusOr<int64_t>, for a path call.
template <typename Body>
int64_t RunPath(s3f_fs* fs, const s3f_handle* at, const char* path, const s3f_call* call,
                Body body) {
  using Result = decltype(body(std::declval<const CallContext&>(), std::declval<FileSystem&>()));
  return RunCall(call, [&](const CallContext& context) -> Result {
    S3FILES_RETURN_IF_ERROR(CheckAt(fs, at));
    if (path == nullptr) return Missing("path");
    S3FILES_RETURN_IF_ERROR(context.Check(path));
    return body(CallerOf(*fs->mount, context).context(), *fs->mount->fs);
  });
}

// Runs `body(context, fs, handle)`, which returns a StatusOr<int64_t>, for a call on a handle.
template <typename Body>
int64_t RunHandle(s3f_handle* handle, const s3f_call* call, Body body) {
  return RunCall(call, [&](const CallContext& context) -> absl::StatusOr<int64_t> {
    if (handle == nullptr) return Missing("handle");
    FileSystem& fs = *handle->mount->fs;
    S3FILES_RETURN_IF_ERROR(fs.CheckUsable());
    S3FILES_RETURN_IF_ERROR(context.Check("using a handle"));
    return body(CallerOf(*handle->mount, context).context(), fs, *handle->handle);
  });
}

}  // namespace s3files

#endif  // S3FILES_LIB_API_MOUNT_H_
