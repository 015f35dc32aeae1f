// cp.
#include <cerrno>
#include <vector>

#include "examples/cli/commands.h"
#include "examples/cli/tree.h"

namespace cli {
namespace {

constexpr std::size_t kBuffer = 4 << 20;

class Copy {
 public:
  Copy(Session& session, bool recursive, const Place& from, const Place& to)
      : session_(session),
        recursive_(recursive),
        inside_(from.root == to.root && !from.local()),
        from_tree_(Tree::Of(session, from)),
        to_tree_(Tree::Of(session, to)) {}

  void Run(const Place& from, const Place& to) { Any(from, to, !recursive_); }

 private:
  void Any(const Place& from, const Place& to, bool follow) {
    const std::optional<Info> info = from_tree_->Look(from, follow);
    if (!info) throw Failure(from.text + ": no such file or directory");
    if (info->type == S3F_TYPE_DIRECTORY) {
      if (!recursive_) throw Failure(from.text + " is a directory: cp -r copies it");
      Directory(from, to, *info);
    } else if (info->type == S3F_TYPE_SYMLINK) {
      to_tree_->MakeLink(from_tree_->ReadLink(from), to);
    } else if (info->type == S3F_TYPE_FILE) {
      File(from, to, *info);
    } else {
      session_.Warn(from.text + " is neither file, directory nor symlink, and is left out");
    }
  }

  void Directory(const Place& from, const Place& to, const Info& info) {
    if (inside_ &&
        (to.path == from.path || from.path.empty() || to.path.rfind(from.path + "/", 0) == 0)) {
      throw Failure(from.text + " cannot be copied into itself, to " + to.text);
    }
    const std::optional<Info> there = to_tree_->Look(to, true);
    if (!there) to_tree_->MakeDirectory(to, info.mode);
    if (there && there->type != S3F_TYPE_DIRECTORY) {
      throw Failure(to.text + " exists, and is no directory");
    }
    from_tree_->ForEach(from, [&](const std::string& name) {
      try {
        Any(from / name, to / name, false);
      } catch (const s3files::error& error) {  // the others are copied all the same
        if (session_.Interrupted()) throw;
        session_.Warn((from / name).text + ": " + error.message(), error.code().value());
      } catch (const Failure& failure) {
        session_.Warn(failure.what(), failure.code);
      }
    });
  }

  void File(const Place& from, const Place& to, const Info& info) {
    if (inside_ && from.path == to.path) throw Failure(from.text + " is both source and target");
    const std::unique_ptr<Reader> reader = from_tree_->Open(from);
    const std::unique_ptr<Writer> writer = to_tree_->Create(to, info.mode);
    session_.progress().Begin(from.name(), info.size);
    if (inside_) {
      CopyInside(*reader->file(), *writer->file());
    } else {
      Bytes(*reader, *writer);
    }
    writer->Publish();
    session_.progress().End();
  }

  void Bytes(Reader& reader, Writer& writer) {
    buffer_.resize(kBuffer);
    std::uint64_t offset = 0;
    while (const std::size_t n = reader.Read(buffer_.data(), buffer_.size(), offset)) {
      if (session_.Interrupted()) throw Failure("interrupted");
      writer.Write(buffer_.data(), n, offset);
      offset += n;
      session_.progress().Add(n);
    }
  }

  // By the store itself, as far as it can.
  void CopyInside(const s3files::file& in, s3files::file& out) {
    std::uint64_t offset = 0;
    while (const std::uint64_t n = out.copy_from(in, offset, offset, UINT64_MAX, session_.Call())) {
      offset += n;
      session_.progress().Add(n);
    }
  }

  Session& session_;
  const bool recursive_;
  const bool inside_;
  const std::unique_ptr<Tree> from_tree_, to_tree_;
  std::vector<char> buffer_;
};

}  // namespace

void RunCopy(Session& session, const Arguments& arguments) {
  std::vector<Place> places;
  for (const std::string& text : arguments.rest) places.push_back(session.PlaceOf(text, true));
  const Place to = places.back();
  places.pop_back();
  if (to.stream() && (places.size() > 1 || arguments.Has("-r"))) {
    throw Usage("stdout takes one file: cat writes several");
  }
  const std::optional<Info> there = Tree::Of(session, to)->Look(to, true);
  const bool into = there && there->type == S3F_TYPE_DIRECTORY;
  if (!into && places.size() > 1) throw Failure(to.text + " is no directory: make it first");
  for (const Place& from : places) {
    if (from.local() && to.local()) {
      throw Usage("neither " + from.text + " nor " + to.text + " is in a bucket: use cp(1)");
    }
    if (from.stream() && (into || to.slash)) {
      throw Usage("stdin has no name: say which file it is to be in " + to.text);
    }
    const bool below = into || (to.slash && !arguments.Has("-r"));
    if (to.slash && !there && !arguments.Has("-r")) {
      throw Failure(to.text + " does not exist: make it first, or leave out the '/'");
    }
    Copy(session, arguments.Has("-r"), from, to).Run(from, below ? to / from.name() : to);
  }
}

}  // namespace cli
