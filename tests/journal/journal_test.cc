#include "lib/journal/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/call_context.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"
#include "lib/journal/row_bytes.h"

namespace s3files {
namespace {

using ::testing::HasSubstr;

constexpr char kUrl[] = "memory://test";

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    std::string name = testing::TempDir() + "/s3files-journal-XXXXXX";
    dir_ = mkdtemp(name.data());
    area_.named = true;
    area_.directory = dir_ + "/staged";
  }
  ~JournalTest() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<Journal> Open() { return Journal::Open(dir_, kUrl).value(); }
  std::shared_ptr<OverlayFile> File(absl::string_view bytes) {
    std::shared_ptr<OverlayFile> file = OverlayFile::Create(&area_).value();
    EXPECT_EQ(file->Reserve({0, bytes.size()}), absl::OkStatus());
    EXPECT_EQ(file->Write(0, {bytes.data(), bytes.size()}), absl::OkStatus());
    file->Keep();
    return file;
  }
  static StagedRow Row(const std::string& path) {
    StagedRow row;
    row.path = path;
    row.attributes = {FileType::kFile, 0640, 1, 2, -3};
    row.committed = {Version::Of("0123456789abcdef"), 5};
    return row;
  }
  size_t StagedFiles() const {
    const std::filesystem::directory_iterator files(dir_ + "/staged");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  std::string dir_;
  SpillArea area_;
};

TEST_F(JournalTest, GivesBackWhatWasPut) {
  StagedRow row = Row("a/b");
  row.change.mode = 04755;
  row.change.mtime_ns = -1;
  row.change.user = {{"gone", std::nullopt}, {"set", "value"}};
  ObjectMetadata metadata;
  metadata.content_type = "text/plain";
  row.metadata = metadata;
  row.tag_count = 2;
  row.full = row.exclusive = true;
  row.base = {"prefix/a/b", uint64_t{5} << 40};
  row.commit_ids = {"00112233445566778899aabbccddeeff", "odd"};
  row.overlays = {
      {100, 50, {{0, 10}, {20, 30}}, "x"}, {7, 0, {}, ""}, {9, 1, {{1, 3}, {5, 6}}, "", "abc"}};
  row.lost = {"old/path", "prefix/old/path", Version::Unknown()};
  const std::string bytes = row.Encode();
  absl::string_view body = bytes;
  ASSERT_EQ(OpenRow(&body), RowKind::kStaged);
  const std::optional<StagedRow> again = StagedRow::Decode(body);
  EXPECT_EQ(again->path, row.path);
  EXPECT_EQ(again->attributes, row.attributes);
  EXPECT_EQ(again->change.mode, row.change.mode);
  EXPECT_EQ(again->change.uid, std::nullopt);
  EXPECT_EQ(again->change.mtime_ns, row.change.mtime_ns);
  EXPECT_EQ(again->change.user, row.change.user);
  EXPECT_EQ(again->metadata.Get(), metadata);
  EXPECT_EQ(again->tag_count, 2u);
  EXPECT_TRUE(again->full && again->exclusive);
  EXPECT_EQ(again->committed, row.committed);
  EXPECT_EQ(again->base->key, "prefix/a/b");
  EXPECT_EQ(again->base->size, uint64_t{5} << 40);
  EXPECT_EQ(again->commit_ids, row.commit_ids);
  ASSERT_EQ(again->overlays.size(), 3u);
  EXPECT_EQ(again->overlays[0].staged, row.overlays[0].staged);
  EXPECT_EQ(again->overlays[0].file, "x");
  EXPECT_EQ(again->overlays[0].packed, "");
  EXPECT_EQ(again->overlays[1].size, 7u);
  EXPECT_EQ(again->overlays[2].staged, row.overlays[2].staged);
  EXPECT_EQ(again->overlays[2].packed, "abc");
  EXPECT_EQ(again->lost->key, "prefix/old/path");
  EXPECT_TRUE(again->lost->base.unknown());
}

TEST_F(JournalTest, EveryDamagedByteIsNoticed) {
  const std::string bytes = Row("path").Encode();
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    absl::string_view body = damaged;
    EXPECT_FALSE(OpenRow(&body)) << i;
    body = absl::string_view(bytes).substr(0, i);
    EXPECT_FALSE(OpenRow(&body)) << i;
  }
}

TEST_F(JournalTest, RowsAndFilesSurviveAndGoTogether) {
  uint64_t kept, removed;
  {
    std::unique_ptr<Journal> journal = Open();
    kept = journal->NewId();
    removed = journal->NewId();
    StagedRow row = Row("kept");
    std::shared_ptr<OverlayFile> file = File("bytes");
    row.overlays = {{5, 0, {{0, 5}}, file->name()}};
    journal->Put(kept, row, {file});
    std::shared_ptr<OverlayFile> other = File("other");
    row.overlays = {{5, 0, {{0, 5}}, other->name()}};
    journal->Put(removed, row, {other});
    EXPECT_EQ(journal->WaitForAll({}), absl::OkStatus());
    EXPECT_EQ(StagedFiles(), 2u);
    EXPECT_EQ(journal->Wait({}, journal->Remove(removed)), absl::OkStatus());
    EXPECT_EQ(StagedFiles(), 1u);
    File("of a writer that never said so");
    EXPECT_EQ(StagedFiles(), 2u);
  }
  std::unique_ptr<Journal> journal = Open();
  EXPECT_EQ(StagedFiles(), 1u);
  const std::map<uint64_t, StagedRow> rows = journal->TakeRecovered().staged;
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows.begin()->first, kept);
  EXPECT_EQ(rows.begin()->second.path, "kept");
  EXPECT_GT(journal->NewId(), kept);
}

TEST_F(JournalTest, UploadsAndMovesAreRows) {
  {
    std::unique_ptr<Journal> journal = Open();
    journal->Put(journal->NewId(), UploadRow{"prefix/key", "id"});
    const MoveRow move{"to", "from", true, Version::Of("0123456789abcdef", "v")};
    journal->Put(7, move);
    const Stamp stamp{Version::Of("odd", "w"), 9};
    journal->Put(journal->NewId(), CopiesRow{7, {{~uint64_t{0}, -1, 0, {}}, {1, 2, 3, stamp}}});
  }
  const Journal::Recovered rows = Open()->TakeRecovered();
  EXPECT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows.uploads.begin()->second.key, "prefix/key");
  EXPECT_EQ(rows.uploads.begin()->second.upload_id, "id");
  const MoveRow& move = rows.moves.at(7);
  EXPECT_EQ(move.path + " " + move.origin, "to from");
  EXPECT_TRUE(move.landed);
  EXPECT_EQ(move.replaced, Version::Of("0123456789abcdef", "v"));
  const CopiesRow& copies = rows.copies.begin()->second;
  EXPECT_EQ(copies.move, 7u);
  ASSERT_EQ(copies.copies.size(), 2u);
  EXPECT_EQ(copies.copies[0].source, ~uint64_t{0});
  EXPECT_EQ(copies.copies[0].listed_ns, -1);
  EXPECT_TRUE(copies.copies[0].stamp.version.absent());
  EXPECT_EQ(copies.copies[1].target, 3u);
  EXPECT_EQ(copies.copies[1].stamp, (Stamp{Version::Of("odd", "w"), 9}));
}

TEST_F(JournalTest, ManyChangesAreFewTransactions) {
  std::unique_ptr<Journal> journal = Open();
  for (int i = 0; i < 10'000; ++i) journal->Put(journal->NewId(), Row("f"), {});
  EXPECT_EQ(journal->WaitForAll({}), absl::OkStatus());
  EXPECT_LT(journal->transactions(), 200u);
  journal.reset();
  EXPECT_EQ(Open()->TakeRecovered().staged.size(), 10'000u);
}

// [M1]
TEST_F(JournalTest, M1BytesOfRowsDoNotPileUp) {
  std::unique_ptr<Journal> journal = Open();
  StagedRow row = Row("f");
  const uint64_t size = Journal::kMostPending / 4;
  row.overlays = {{size, 0, {{0, size}}, "", std::string(size, 'x')}};
  {
    const Journal::Together held(journal.get());
    const uint64_t id = journal->NewId();
    for (int i = 0; i < 100; ++i) journal->Put(id, row, {});
    journal->AwaitRoom({});  // one row is in the place of the other
    for (int i = 0; i < 4; ++i) journal->Put(journal->NewId(), row, {});
    CallContext call;
    call.deadline_ns = MonotonicNanos() + 20'000'000;
    journal->AwaitRoom(call);
    EXPECT_GE(MonotonicNanos(), call.deadline_ns) << "it waited";
  }
  journal->AwaitRoom({});
  EXPECT_EQ(journal->WaitForAll({}), absl::OkStatus());
  EXPECT_EQ(journal->transactions(), 1u);
}

TEST_F(JournalTest, OneFileSystemHasTheDirectory) {
  const std::unique_ptr<Journal> journal = Open();
  const absl::Status here = Journal::Open(dir_, kUrl).status();
  EXPECT_EQ(ErrnoOf(here), EBUSY);
  EXPECT_THAT(std::string(here.message()), HasSubstr("of this process"));
  // That attempt has not given the lock up.
  const pid_t child = fork();
  if (child == 0) {
    const absl::Status status =
        StateDir::Open(dir_ + "/../" + dir_.substr(dir_.rfind('/') + 1)).status();
    _exit(ErrnoOf(status) == EBUSY ? 0 : 1);
  }
  int exit_status;
  ASSERT_EQ(waitpid(child, &exit_status, 0), child);
  EXPECT_EQ(exit_status, 0);
}

TEST_F(JournalTest, ItIsForOneStore) {
  {
    std::unique_ptr<Journal> journal = Open();
    journal->Put(journal->NewId(), Row("f"), {});
  }
  const absl::Status status = Journal::Open(dir_, "memory://other").status();
  EXPECT_EQ(ErrnoOf(status), EINVAL);
  EXPECT_THAT(std::string(status.message()), HasSubstr("1 staged changes of memory://test"));
  Open()->Remove(1);
  EXPECT_TRUE(Journal::Open(dir_, "memory://other").ok());
}

TEST_F(JournalTest, FilesAreForTheOwnerOnly) {
  std::unique_ptr<Journal> journal = Open();
  const std::shared_ptr<OverlayFile> file = File("bytes");
  journal->Put(journal->NewId(), Row("f"), {file});
  EXPECT_EQ(journal->WaitForAll({}), absl::OkStatus());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_)) {
    struct stat info;
    ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 077, 0u) << entry.path();
  }
}

TEST_F(JournalTest, ADamagedOneIsRefusedAndNothingIsRemoved) {
  {
    std::unique_ptr<Journal> journal = Open();
    const std::shared_ptr<OverlayFile> file = File("bytes");
    journal->Put(journal->NewId(), Row("f"), {file});
  }
  {
    std::ofstream damage(dir_ + "/journal.db", std::ios::in | std::ios::out | std::ios::binary);
    damage.seekp(0);
    damage << "this is no database";
  }
  const absl::Status status = Journal::Open(dir_, kUrl).status();
  EXPECT_EQ(ErrnoOf(status), EIO);
  EXPECT_THAT(std::string(status.message()), HasSubstr("staged bytes are in /"));
  EXPECT_EQ(StagedFiles(), 1u);
}

TEST_F(JournalTest, AnEmptyOneBesideStagedFilesIsRefused) {
  {
    std::unique_ptr<Journal> journal = Open();
    const std::shared_ptr<OverlayFile> file = File("bytes");
    journal->Put(journal->NewId(), Row("f"), {file});
  }
  std::filesystem::remove(dir_ + "/journal.db");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ErrnoOf(Journal::Open(dir_, kUrl).status()), EIO);
    EXPECT_EQ(StagedFiles(), 1u);
  }
}

TEST_F(JournalTest, AWaitEndsWithItsDeadline) {
  const std::unique_ptr<Journal> journal = Open();
  CallContext call;
  call.deadline_ns = 1;
  EXPECT_EQ(ErrnoOf(journal->Wait(call, 1)), ETIMEDOUT);
}

}  // namespace
}  // namespace s3files
