#include "examples/cli/stream_tree.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>

namespace cli {
namespace {

constexpr int kLook = 100;  // ms, for an interruption

class StdinReader final : public Reader {
 public:
  explicit StdinReader(Session& session) : session_(session) {}
  // Offsets follow each other.
  std::size_t Read(char* buffer, std::size_t size, std::uint64_t) override {
    pollfd waiting{STDIN_FILENO, POLLIN, 0};
    while (poll(&waiting, 1, kLook) == 0) {
      if (session_.Interrupted()) throw Failure("interrupted");
    }
    const ssize_t n = read(STDIN_FILENO, buffer, size);
    if (n < 0) throw SystemFailure("stdin");
    return static_cast<std::size_t>(n);
  }

 private:
  Session& session_;
};

class StdoutWriter final : public Writer {
 public:
  void Write(const char* bytes, std::size_t size, std::uint64_t) override {
    if (std::fwrite(bytes, 1, size, stdout) != size) throw SystemFailure("stdout");
  }
  void Publish() override {
    if (std::fflush(stdout) != 0) throw SystemFailure("stdout");
  }
};

class Stream final : public Tree {
 public:
  explicit Stream(Session& session) : session_(session) {}

  std::optional<Info> Look(const Place&, bool) override {
    Info info;
    info.type = S3F_TYPE_FILE;
    info.mode = 0666;  // less the umask
    return info;
  }
  std::unique_ptr<Reader> Open(const Place&) override {
    return std::make_unique<StdinReader>(session_);
  }
  std::unique_ptr<Writer> Create(const Place&, std::uint32_t) override {
    return std::make_unique<StdoutWriter>();
  }
  // Of files and directories only.
  void ForEach(const Place& place, const std::function<void(const std::string&)>&) override {
    Refuse(place);
  }
  void MakeDirectory(const Place& place, std::uint32_t) override { Refuse(place); }
  std::string ReadLink(const Place& place) override { Refuse(place); }
  void MakeLink(const std::string&, const Place& place) override { Refuse(place); }

 private:
  [[noreturn]] static void Refuse(const Place& place) {
    throw Failure(place.text + " takes the bytes of one file");
  }

  Session& session_;
};

}  // namespace

std::unique_ptr<Tree> StreamTree(Session& session) { return std::make_unique<Stream>(session); }

}  // namespace cli
