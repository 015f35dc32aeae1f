// The composition root: from a URL and options to a file system on its store.
#ifndef S3FILES_LIB_API_OPEN_FILE_SYSTEM_H_
#define S3FILES_LIB_API_OPEN_FILE_SYSTEM_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/api/mount.h"
#include "lib/base/call_context.h"
#include "lib/base/event_sink.h"
#include "lib/fs/file_system.h"

namespace s3files {

// See s3f_fs_open. `events` may be null; it and `conflicts` outlive the file system.
absl::StatusOr<std::shared_ptr<FileSystem>> OpenFileSystem(
    const CallContext& call, absl::string_view url,
    const std::vector<std::pair<std::string, std::string>>& options, EventSink* events,
    ConflictAdapter* conflicts);

}  // namespace s3files

#endif  // S3FILES_LIB_API_OPEN_FILE_SYSTEM_H_
