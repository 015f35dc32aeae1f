#ifndef S3FILES_EXAMPLES_DEMO_STORY_H_
#define S3FILES_EXAMPLES_DEMO_STORY_H_

#include <string>
#include <vector>

#include "examples/demo/bucket.h"
#include "examples/demo/claims.h"
#include "examples/demo/tree.h"

namespace demo {

// Verbs of this program that the story runs as other processes.
inline constexpr char kReadVerb[] = "--read";    // URL PATH: the file to standard output
inline constexpr char kWriteVerb[] = "--write";  // URL PATH: the file from standard input

// What the library does with a tree of files, step by step.
class Story {
 public:
  Story(const Tree& tree, const Bucket& bucket, Claims& claims);

  void Tell();

 private:
  void CopyTree();
  void EditInPlace();
  void Append();
  void Conflict();
  void CompareWithCurl();
  void PrintTable();

  // What a new process reads when it opens the file now.
  std::string ReadElsewhere(const std::string& path) const;
  void WriteElsewhere(const std::string& path, const std::string& bytes) const;

  const Tree& tree_;
  const Bucket& bucket_;
  Claims& claims_;
  std::string lost_and_found_;  // where the last conflict's bytes are
  s3files::file_system fs_;     // writes
  s3files::file_system other_;  // has seen nothing of what fs_ did
  std::string edited_;          // paths of the files that the steps are about
  std::string appended_;
  std::string edited_bytes_;
  Totals written_, read_;
};

// Removes all objects of the bucket's prefix. True where nothing is left.
bool EmptyBucket(const Bucket& bucket);

}  // namespace demo

#endif  // S3FILES_EXAMPLES_DEMO_STORY_H_
