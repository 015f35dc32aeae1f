// A file system over https does all that one over http does, and lines that break under TLS neither
// lose nor repeat an effect.

#include <chrono>
#include <set>
#include <string>

#include "tests/proofs/tls_fixture.h"

namespace s3files::proofs {
namespace {

class Tls : public OnTls {
 protected:
  TlsRelay relay_{Issue(authority_), server_->port()};
};

TEST_F(Tls, FilesAreWrittenListedAndReadBack) {
  const options parts = {{"part_size", "5M"}, {"multipart_threshold", "5M"}};
  const std::string large = Pattern(12 * kMiB);
  {
    const file_system fs = OpenAt(relay_, parts);
    WriteAll(fs, "small", "over TLS");
    WriteAll(fs, "large", large);
    fs.rename("small", "renamed");
  }
  EXPECT_EQ(Requests("UploadPart").size(), 3u);
  const file_system other = OpenAt(relay_, parts);
  EXPECT_EQ(ReadAll(other, "renamed"), "over TLS");
  EXPECT_TRUE(ReadAll(other, "large") == large);
  std::set<std::string> names;
  for (const directory_entry& entry : other.list("")) names.insert(entry.name());
  EXPECT_EQ(names, (std::set<std::string>{"large", "renamed"}));
  EXPECT_GT(relay_.handshakes(), 0);
}

TEST_F(Tls, HostsHaveNamesToo) {
  const std::string endpoint = "https://localhost:" + std::to_string(relay_.port());
  const file_system fs(kUrl, At(endpoint));
  WriteAll(fs, "a", "bytes");
  EXPECT_EQ(ReadAll(fs, "a"), "bytes");
}

TEST_F(Tls, ConnectionsAreReused) {
  const file_system fs = OpenAt(relay_);
  for (int i = 0; i < 50; ++i) WriteAll(fs, "a" + std::to_string(i), "bytes");
  EXPECT_GE(Requests("PutObject").size(), 50u);
  EXPECT_LE(relay_.handshakes(), 4);
}

TEST_F(Tls, AHandshakeThatIsCutIsTriedAgain) {
  relay_.CutHandshakes(1);
  const file_system fs = OpenAt(relay_);
  EXPECT_EQ(relay_.connections(), 2);
  KeepVersions();
  relay_.CutHandshakes(2);
  relay_.CutAll();
  WriteAll(fs, "a", "bytes");
  EXPECT_EQ(CountVersions(), 1u);
  EXPECT_EQ(ReadAll(OpenAt(relay_), "a"), "bytes");
}

TEST_F(Tls, AReadThatIsCutGoesOn) {
  const std::string bytes = Pattern(4 * kMiB);
  WriteAll(Open(), "a", bytes);
  const file_system fs = OpenAt(relay_);
  relay_.CutAfterBytesDown(kMiB);
  EXPECT_TRUE(ReadAll(fs, "a") == bytes);
  EXPECT_GT(fs.stats().retries, 0u);
}

// libcurl sends again by itself on a reused connection, the library on a new one.
TEST_F(Tls, AWriteThatIsCutTakesEffectOnce) {
  KeepVersions();
  const std::string bytes = Pattern(4 * kMiB);
  const file_system fs = OpenAt(relay_);
  size_t written = 0;
  for (const std::string path : {"reused", "new"}) {
    if (path == "new") relay_.CutAll();
    const int before = relay_.connections();
    relay_.CutAfterBytesUp(kMiB);
    WriteAll(fs, path, bytes);
    EXPECT_GT(relay_.connections(), before);
    EXPECT_EQ(CountVersions(), ++written);
    EXPECT_TRUE(ReadAll(OpenAt(relay_), path) == bytes);
  }
}

TEST_F(Tls, AWriteWhoseReplyIsCutTakesEffectOnce) {
  KeepVersions();
  const file_system fs = OpenAt(relay_);
  size_t written = 0;
  for (const std::string path : {"reused", "new"}) {
    file out = fs.open(path, open_flags::write | open_flags::create);
    out.pwrite("bytes", 5, 0);
    if (path == "new") relay_.CutAll();
    relay_.CutAfterBytesDown(0);
    out.close();
    EXPECT_EQ(CountVersions(), ++written);
    EXPECT_EQ(ReadAll(OpenAt(relay_), path), "bytes");
  }
}

TEST_F(Tls, AHandshakeThatNeverEndsIsNotWaitedForBeyondTimeout) {
  const file_system fs = OpenAt(relay_, {{"timeout", "1s"}});
  relay_.StallHandshakes(true);
  relay_.CutAll();
  const auto start = std::chrono::steady_clock::now();
  try {
    fs.stat("a");
    ADD_FAILURE() << "it was answered";
  } catch (const error& failure) {
    EXPECT_EQ(failure.code().value(), EIO) << failure.what();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
}

}  // namespace
}  // namespace s3files::proofs
