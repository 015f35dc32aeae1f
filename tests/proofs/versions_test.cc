// A bucket that keeps versions: what was replaced or removed is read by its id, which every reply
// brought along. Nothing says to the library that the bucket is such a one.
#include <cerrno>

#include "tests/proofs/s3_fixture.h"

namespace s3files::proofs {
namespace {

constexpr char kPath[] = "file";

class Versions : public OnS3 {
 protected:
  // The bytes from `offset` on; "errno N" where they cannot be read.
  static std::string ReadFrom(const file& from, size_t offset, size_t size) {
    std::string bytes(size, '?');
    std::error_code code;
    bytes.resize(from.pread(bytes.data(), size, offset, code));
    return code ? "errno " + std::to_string(code.value()) : bytes;
  }

  const std::string old_ = Pattern(3 * kMiB, 1);
  const std::string new_ = Pattern(3 * kMiB, 2);
};

// [C5]
TEST_F(Versions, C5WhatOthersReplaceOrRemoveIsReadById) {
  KeepVersions();
  const file_system here = Open(), there = Open();
  WriteAll(there, kPath, old_);
  const file opened = here.open(kPath, open_flags::read);
  WriteAll(there, kPath, new_);
  EXPECT_TRUE(ReadFrom(opened, 0, old_.size()) == old_);
  EXPECT_TRUE(ReadAll(here, kPath) == new_);
  const file second = here.open(kPath, open_flags::read);
  there.unlink(kPath);
  EXPECT_TRUE(ReadFrom(second, kMiB, kMiB) == new_.substr(kMiB, kMiB));
  EXPECT_TRUE(ReadFrom(opened, kMiB, kMiB) == old_.substr(kMiB, kMiB));
}

// [C5]
TEST_F(Versions, C5WithoutVersionsItIsGone) {
  const file_system here = Open(), there = Open();
  WriteAll(there, kPath, old_);
  const file opened = here.open(kPath, open_flags::read);
  WriteAll(there, kPath, new_);
  EXPECT_EQ(ReadFrom(opened, kMiB, kMiB), "errno " + std::to_string(ESTALE));
}

// [N3]
TEST_F(Versions, N3WhatWasUnlinkedOrRenamedOverGoesOn) {
  KeepVersions();
  const file_system fs = Open();
  WriteAll(Open(), kPath, old_);
  WriteAll(Open(), "other", new_);
  const file replaced = fs.open(kPath, open_flags::read);
  const file unlinked = fs.open("other", open_flags::read);
  WriteAll(fs, "fresh", "fresh");
  fs.rename("fresh", kPath);
  fs.unlink("other");
  EXPECT_TRUE(ReadFrom(replaced, kMiB, kMiB) == old_.substr(kMiB, kMiB));
  EXPECT_TRUE(ReadFrom(unlinked, kMiB, kMiB) == new_.substr(kMiB, kMiB));
  EXPECT_EQ(ReadAll(fs, kPath), "fresh");
}

// [C5] The version that a commit of our own made, in one PUT and in parts, of which little is
// resident any more.
TEST_F(Versions, C5OurOwnCommitsTellTheirVersionsToo) {
  KeepVersions();
  for (const size_t size : {8 * kMiB, 20 * kMiB}) {
    const std::string path = "file-" + std::to_string(size);
    const file_system here = Open({{"memory", "4M"}});
    const std::string bytes = Pattern(size, size);
    file written = here.open(path, open_flags::read | open_flags::write | open_flags::create);
    written.pwrite(bytes.data(), bytes.size(), 0);
    written.fsync();
    WriteAll(Open(), path, "replaced");
    EXPECT_TRUE(ReadFrom(written, 0, bytes.size()) == bytes) << size;
    written.abandon();
  }
}

}  // namespace
}  // namespace s3files::proofs
