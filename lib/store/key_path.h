// How FileStore names its files: any key becomes a relative path, legible where the key is, and the
// entries of a directory sort as the keys do.
//
//   photos/2024/cat.jpg -> photos%/2024%/cat.jpg    a directory's name ends in '%', so `a` and
//   `a/b`
//                                                   can both be objects
//   dir/                -> dir%/%-                  the empty name
//   50% off             -> 50%25 off                '%' and NUL are escaped; so are `.` and `..`
//   <200 bytes>         -> <80>%+/<80>%+/<40>       a name of 80 bytes or more goes on in
//   directories
//                                                   `...%+`, since escaped it must fit 255 bytes
#ifndef S3FILES_LIB_STORE_KEY_PATH_H_
#define S3FILES_LIB_STORE_KEY_PATH_H_

#include <string>

#include "absl/strings/string_view.h"

namespace s3files {

std::string PathOfKey(absl::string_view key);

// One name in a directory of the tree, and what it stands for.
struct TreeEntry {
  enum Kind : unsigned char {
    kObject,    // ends a key
    kFolder,    // its name ends in '/', and so do the keys in it go on
    kContinued  // the first 80 bytes of longer names
  };
  std::string name;  // the bytes it adds to a key
  Kind kind = kObject;
};

TreeEntry EntryOfFile(absl::string_view file_name);
std::string FileOfEntry(const TreeEntry& entry);

}  // namespace s3files

#endif  // S3FILES_LIB_STORE_KEY_PATH_H_
