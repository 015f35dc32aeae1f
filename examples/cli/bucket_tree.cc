// Tree: files of a bucket.
#include <cerrno>
#include <utility>

#include "examples/cli/local_tree.h"
#include "examples/cli/stream_tree.h"
#include "examples/cli/tree.h"

namespace cli {
namespace {

using s3files::open_flags;

class BucketReader final : public Reader {
 public:
  BucketReader(Session& session, s3files::file opened)
      : session_(session), file_(std::move(opened)) {}
  std::size_t Read(char* buffer, std::size_t size, std::uint64_t offset) override {
    return file_.pread(buffer, size, offset, session_.Call());
  }
  const s3files::file* file() const override { return &file_; }

 private:
  Session& session_;
  s3files::file file_;
};

class BucketWriter final : public Writer {
 public:
  BucketWriter(Session& session, const Place& place, s3files::file opened)
      : session_(session), place_(place), file_(std::move(opened)) {}
  void Write(const char* bytes, std::size_t size, std::uint64_t offset) override {
    file_.pwrite(bytes, size, offset, session_.Call());
  }
  void Publish() override {
    try {
      file_.close(session_.Call());
    } catch (const s3files::error& failure) {
      // Without a state directory it would end with this process anyway, and with the upload's parts.
      if (session_.settings().state_dir.empty() || session_.Interrupted()) {
        std::error_code ignored;
        session_.FileSystem(place_).discard(place_.path, ignored);
      } else {
        session_.Warn(place_.text + " stays staged: commit or discard it");
      }
      throw;
    }
  }
  s3files::file* file() override { return &file_; }

 private:
  Session& session_;
  const Place place_;
  s3files::file file_;
};

class Bucket final : public Tree {
 public:
  Bucket(Session& session, s3files::file_system& fs) : session_(session), fs_(fs) {}

  std::optional<Info> Look(const Place& place, bool follow) override {
    std::error_code code;
    const auto wanted = s3files::fields::type | s3files::fields::size | s3files::fields::mode;
    const s3files::call how = session_.Call(code);
    const s3files::attributes found =
        follow ? fs_.stat(place.path, wanted, how) : fs_.lstat(place.path, wanted, how);
    if (code.value() == ENOENT || code.value() == ENOTDIR) return std::nullopt;
    if (code) throw s3files::last_error();
    return Info{found.type, found.mode, found.size};
  }
  void ForEach(const Place& directory,
               const std::function<void(const std::string& name)>& visit) override {
    for (auto entry = fs_.list(directory.path, session_.Call());
         entry != s3files::directory_iterator(); entry.increment(session_.Call())) {
      visit(entry->name());
    }
  }
  void MakeDirectory(const Place& place, std::uint32_t mode) override {
    fs_.mkdir(place.path, mode, session_.Call());
  }
  std::string ReadLink(const Place& place) override {
    return fs_.readlink(place.path, session_.Call());
  }
  void MakeLink(const std::string& target, const Place& place) override {
    fs_.symlink(target, place.path, session_.Call());
  }
  std::unique_ptr<Reader> Open(const Place& place) override {
    return std::make_unique<BucketReader>(session_,
                                          fs_.open(place.path, open_flags::read, session_.Call()));
  }
  std::unique_ptr<Writer> Create(const Place& place, std::uint32_t mode) override {
    return std::make_unique<BucketWriter>(
        session_, place,
        fs_.open(place.path, open_flags::write | open_flags::create | open_flags::truncate,
                 mode & 0777, session_.Call()));
  }

 private:
  Session& session_;
  s3files::file_system& fs_;
};

}  // namespace

std::unique_ptr<Tree> Tree::Of(Session& session, const Place& place) {
  if (place.stream()) return StreamTree(session);
  if (place.local()) return LocalTree();
  return std::make_unique<Bucket>(session, session.FileSystem(place));
}

}  // namespace cli
