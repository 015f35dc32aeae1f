// URL and options, as text, to what the parts are made with.
#ifndef S3FILES_LIB_API_OPTIONS_H_
#define S3FILES_LIB_API_OPTIONS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/fs/file_system.h"
#include "lib/s3/s3_store.h"

namespace s3files {

enum class Scheme { kS3, kFile, kMemory };

struct Url {
  Scheme scheme = Scheme::kMemory;
  std::string place;   // bucket, directory or name
  std::string prefix;  // normalised; s3:// only
};

// EINVAL, naming what is wrong and showing the form.
absl::StatusOr<Url> ParseUrl(absl::string_view url);

struct Options {
  FileSystemOptions fs;
  S3StoreOptions s3;
  int64_t timeout_ns = int64_t{60} * 1'000'000'000;
  bool file_fsync = true;
  std::string state_dir;  // empty: none
  ConflictDecision on_conflict = ConflictDecision::kStore;
  std::string root_directory;  // normalised: empty, or with a '/' at its end only
};

// The options as documented at s3f_fs_open; environment variables fill what is not given.
// EINVAL: an unknown name (with the nearest one), a value out of range, an option of another scheme.
absl::StatusOr<Options> ParseOptions(Scheme scheme,
                                     const std::vector<std::pair<std::string, std::string>>& given);

}  // namespace s3files

#endif  // S3FILES_LIB_API_OPTIONS_H_
