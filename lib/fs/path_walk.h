// Where a path leads, step by step as the kernel goes: symlinks, ".." and trailing slashes.
#ifndef S3FILES_LIB_FS_PATH_WALK_H_
#define S3FILES_LIB_FS_PATH_WALK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/call_context.h"
#include "lib/inode/names.h"
#include "lib/sync/importer.h"

namespace s3files {

// A name in a directory, or (no name) an inode that is known.
struct Place {
  InodePtr directory;
  std::string name;
  InodePtr inode;  // set where there is no name
  bool must_be_directory = false;
  int links = 0;  // symlinks followed on the way
};

// EAGAIN: another thread has changed a name meanwhile; the path is to be resolved again.
absl::Status NameChanged();

// Thread-safe. That a directory on the way exists is not asked: what the path leads to shows. So a
// path costs no request for what it goes through, unless it ends nowhere, goes through a symlink, or
// permissions count.
class PathWalk {
 public:
  PathWalk(Names* names, Importer* importer) : names_(names), importer_(importer) {}

  // From `start`, which is what an empty path means. ENOTDIR, ELOOP, ENAMETOOLONG, EILSEQ, EINVAL;
  // EACCES: a directory on the way may not be searched; ENOENT: "..", of a directory that does not exist.
  absl::StatusOr<Place> Resolve(const CallContext& call, const InodePtr& start,
                                absl::string_view path) const;

  // Where the symlink at `place` leads.
  absl::StatusOr<Place> Follow(const CallContext& call, const Place& place,
                               const InodePtr& symlink) const;

  // To be asked where nothing was found at `place`: whether something on the way there is a symlink
  // after all, so that the path, resolved again, leads elsewhere. ENOTDIR: it is a file. At most one
  // LIST where the directory exists.
  absl::StatusOr<bool> Revisit(const CallContext& call, const Place& place) const;

  std::string Describe(const Place& place) const;  // for messages: the path

 private:
  struct Steps;
  absl::Status Take(const CallContext& call, Steps& steps, Place& place) const;
  absl::Status Step(const CallContext& call, Steps& steps, Place& place) const;
  absl::Status StepUp(const CallContext& call, Place& place) const;
  absl::Status Splice(const CallContext& call, const InodePtr& symlink, Steps& steps,
                      Place& place) const;
  absl::Status CheckSearch(const CallContext& call, const InodePtr& directory) const;

  Names* const names_;
  Importer* const importer_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_FS_PATH_WALK_H_
