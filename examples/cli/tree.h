// Files and directories behind one face, here or in a bucket: what cp needs of them.
#ifndef S3FILES_EXAMPLES_CLI_TREE_H_
#define S3FILES_EXAMPLES_CLI_TREE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "examples/cli/session.h"

namespace cli {

struct Info {
  std::uint32_t type = 0;  // S3F_TYPE_*; 0: neither file, directory nor symlink
  std::uint32_t mode = 0;
  std::uint64_t size = 0;
};

class Reader {
 public:
  virtual ~Reader() = default;
  // 0 at the end.
  virtual std::size_t Read(char* buffer, std::size_t size, std::uint64_t offset) = 0;
  virtual const s3files::file* file() const { return nullptr; }  // where it is in a bucket
};

// Nothing can be seen of what is written before Publish.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual void Write(const char* bytes, std::size_t size, std::uint64_t offset) = 0;
  virtual void Publish() = 0;
  virtual s3files::file* file() { return nullptr; }
};

class Tree {
 public:
  // Of the place: local, or a file system of the session.
  static std::unique_ptr<Tree> Of(Session& session, const Place& place);
  virtual ~Tree() = default;

  // nullopt: there is nothing. Symlinks are not followed unless `follow`.
  virtual std::optional<Info> Look(const Place& place, bool follow) = 0;
  virtual void ForEach(const Place& directory,
                       const std::function<void(const std::string& name)>& visit) = 0;
  virtual void MakeDirectory(const Place& place, std::uint32_t mode) = 0;
  virtual std::string ReadLink(const Place& place) = 0;
  virtual void MakeLink(const std::string& target, const Place& place) = 0;
  virtual std::unique_ptr<Reader> Open(const Place& place) = 0;
  virtual std::unique_ptr<Writer> Create(const Place& place, std::uint32_t mode) = 0;
};

}  // namespace cli

#endif  // S3FILES_EXAMPLES_CLI_TREE_H_
