#ifndef S3FILES_EXAMPLES_DEMO_TREE_H_
#define S3FILES_EXAMPLES_DEMO_TREE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "examples/demo/work.h"
#include "s3files/s3files.hpp"

namespace demo {

// A directory tree of this machine. Paths are relative to its root.
struct Tree {
  std::filesystem::path root;
  std::vector<std::string> directories;  // each after the one it is in
  std::vector<std::string> files;
  size_t skipped = 0;  // symbolic links, special files, files that cannot be read

  uint64_t SizeOf(const std::string& file) const;
  std::string ReadFile(const std::string& file) const;
};

// The files below `root`, at most `limit`, a directory's files before its directories, by name.
Tree ScanTree(const std::filesystem::path& root, size_t limit);

// Makes the directories of `tree` and writes its files.
Totals CopyIn(const Tree& tree, const s3files::file_system& fs);

// Reads all files of `tree` back and throws where one's bytes differ.
Totals Compare(const Tree& tree, const s3files::file_system& fs);

// What is below the root of `fs`, each directory after the one it is in.
struct Listed {
  std::vector<std::string> directories;
  std::vector<std::string> files;
  uint64_t bytes = 0;
};
Listed ListAll(const s3files::file_system& fs);

// Removes all that is below the root of `fs`.
void RemoveAll(const s3files::file_system& fs);

std::string ReadAll(const s3files::file_system& fs, const std::string& path);

}  // namespace demo

#endif  // S3FILES_EXAMPLES_DEMO_TREE_H_
