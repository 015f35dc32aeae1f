// The C ABI: what a state directory holds.
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "lib/api/mount.h"
#include "lib/journal/rescue.h"
#include "s3files/s3files.h"

struct s3f_rescue {
  explicit s3f_rescue(std::unique_ptr<s3files::Rescue> opened) : rescue(std::move(opened)) {}
  const pid_t pid = getpid();
  absl::Mutex mu;
  const std::unique_ptr<s3files::Rescue> rescue ABSL_PT_GUARDED_BY(mu);
};

namespace s3files {
namespace {

s3f_rescue_info RescueInfoOf(const Rescue& rescue) {
  s3f_rescue_info info = {};
  info.whole = rescue.whole() ? 1 : 0;
  // As OpenFileSystem has put it: the URL, a blank, the endpoint.
  const absl::string_view of = rescue.url();
  const size_t blank = of.rfind(' ');
  CopyText(of.substr(0, blank), info.url, sizeof(info.url));
  if (blank != of.npos) CopyText(of.substr(blank + 1), info.endpoint, sizeof(info.endpoint));
  CopyText(rescue.damage(), info.message, sizeof(info.message));
  return info;
}

s3f_rescue_entry RescueEntryOf(const Rescue::Entry& found) {
  const StagedRow& row = found.row;
  s3f_rescue_entry entry = {};
  entry.kind = static_cast<uint32_t>(found.kind);
  entry.whole = found.message.empty() ? 1 : 0;
  entry.row = found.id;
  entry.size = found.size;
  entry.staged_bytes = found.staged_bytes;
  CopyText(row.path, entry.path, sizeof(entry.path));
  CopyText(found.message, entry.message, sizeof(entry.message));
  if (row.lost) CopyText(row.lost->path, entry.original, sizeof(entry.original));
  if (found.kind == Rescue::Kind::kRename) entry.type = S3F_TYPE_DIRECTORY;
  if (found.kind != Rescue::Kind::kStaged && found.kind != Rescue::Kind::kConflict) return entry;
  entry.type = static_cast<uint32_t>(row.attributes.type);
  entry.mode = row.attributes.mode;
  entry.uid = row.attributes.uid;
  entry.gid = row.attributes.gid;
  entry.mtime_ns = row.attributes.mtime_ns;
  entry.commits = static_cast<uint32_t>(row.commit_ids.size());
  const Version& made_on = row.lost ? row.lost->base : row.committed.version;
  if (made_on.known()) {
    CopyText(made_on.etag(), entry.etag, sizeof(entry.etag));
    CopyText(made_on.version_id(), entry.version_id, sizeof(entry.version_id));
  }
  if (!row.commit_ids.empty()) {
    CopyText(row.commit_ids.back(), entry.commit_id, sizeof(entry.commit_id));
  }
  return entry;
}

// Runs `body(rescue)`, which returns a StatusOr<int64_t>.
template <typename Body>
int64_t RunRescue(s3f_rescue* rescue, const s3f_call* call, Body body) {
  return RunCall(call, [&](const CallContext& context) -> absl::StatusOr<int64_t> {
    if (rescue == nullptr) return Missing("rescue");
    if (rescue->pid != getpid()) {
      return Error(EBUSY, "opened before fork; a child must open its own");
    }
    S3FILES_RETURN_IF_ERROR(context.Check("reading a state directory"));
    absl::MutexLock lock(&rescue->mu);
    return body(*rescue->rescue);
  });
}

}  // namespace
}  // namespace s3files

using s3files::CallContext;
using s3files::Missing;
using s3files::Rescue;
using s3files::RunCall;
using s3files::RunRescue;

extern "C" {

int s3f_rescue_open(s3f_rescue** out, s3f_rescue_info* info, const char* state_dir,
                    const s3f_call* call) {
  return static_cast<int>(RunCall(call, [&](const CallContext& context) -> absl::Status {
    if (out == nullptr) return Missing("out");
    if (state_dir == nullptr) return Missing("state_dir");
    S3FILES_RETURN_IF_ERROR(context.Check("opening a state directory"));
    S3FILES_ASSIGN_OR_RETURN(auto rescue, Rescue::Open(state_dir));
    if (info != nullptr) {
      S3FILES_RETURN_IF_ERROR(s3files::WriteStruct(info, s3files::RescueInfoOf(*rescue)));
    }
    *out = new s3f_rescue(std::move(rescue));
    return absl::OkStatus();
  }));
}

int s3f_rescue_next(s3f_rescue_entry* out, s3f_rescue* rescue, const s3f_call* call) {
  return static_cast<int>(RunRescue(rescue, call, [&](Rescue& state) -> absl::StatusOr<int64_t> {
    if (out == nullptr) return Missing("out");
    // Nothing changes where it cannot be written.
    S3FILES_RETURN_IF_ERROR(s3files::WriteStruct(out, s3f_rescue_entry{}));
    if (!state.Next()) return 0;
    S3FILES_RETURN_IF_ERROR(s3files::WriteStruct(out, s3files::RescueEntryOf(state.entry())));
    return 1;
  }));
}

int64_t s3f_rescue_ranges(s3f_rescue_range* out, size_t capacity, uint64_t offset,
                          s3f_rescue* rescue, const s3f_call* call) {
  return RunRescue(rescue, call, [&](Rescue& state) -> absl::StatusOr<int64_t> {
    if (out == nullptr || capacity == 0) return Missing("out");
    const auto ranges = state.Ranges(offset, capacity);
    for (size_t i = 0; i < ranges.size(); ++i) {
      out[i] = {ranges[i].range.begin, ranges[i].range.size(),
                static_cast<uint64_t>(ranges[i].where)};
    }
    return static_cast<int64_t>(ranges.size());
  });
}

int64_t s3f_rescue_read(void* buf, size_t size, uint64_t offset, s3f_rescue* rescue,
                        const s3f_call* call) {
  return RunRescue(rescue, call, [&](Rescue& state) -> absl::StatusOr<int64_t> {
    if (buf == nullptr && size > 0) return Missing("buf");
    S3FILES_ASSIGN_OR_RETURN(const size_t n,
                             state.Read(offset, absl::MakeSpan(static_cast<char*>(buf), size)));
    return static_cast<int64_t>(n);
  });
}

void s3f_rescue_close(s3f_rescue* rescue) {
  if (rescue != nullptr && rescue->pid == getpid()) delete rescue;
}

}  // extern "C"
