#include "lib/journal/rescue.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/errors.h"
#include "lib/journal/journal.h"

namespace s3files {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = Rescue::Kind;

constexpr char kStore[] = "s3://bucket/prefix http://host:1";

class RescueTest : public testing::Test {
 protected:
  RescueTest() {
    std::string name = testing::TempDir() + "/s3files-rescue-XXXXXX";
    dir_ = mkdtemp(name.data());
    area_.named = true;
    area_.directory = dir_ + "/staged";
  }
  ~RescueTest() override { std::filesystem::remove_all(dir_); }

  std::shared_ptr<OverlayFile> File(absl::string_view bytes, uint64_t offset = 0) {
    std::shared_ptr<OverlayFile> file = OverlayFile::Create(&area_).value();
    EXPECT_EQ(file->Reserve({offset, offset + bytes.size()}), absl::OkStatus());
    EXPECT_EQ(file->Write(offset, {bytes.data(), bytes.size()}), absl::OkStatus());
    file->Keep();
    return file;
  }
  static StagedRow Row(const std::string& path) {
    StagedRow row;
    row.path = path;
    row.attributes = {FileType::kFile, 0640, 1, 2, -3};
    row.committed = {Version::Of("0123456789abcdef", "v1"), 5};
    return row;
  }
  // `n` new files "f0", ... of the bytes "bytes of f0", ...
  void Stage(int n) {
    const std::unique_ptr<Journal> journal = Journal::Open(dir_, kStore).value();
    for (int i = 0; i < n; ++i) PutFile(*journal, absl::StrCat("f", i));
    ASSERT_EQ(journal->WaitForAll({}), absl::OkStatus());
  }
  void PutFile(Journal& journal, const std::string& path) {
    const std::shared_ptr<OverlayFile> file = File("bytes of " + path);
    StagedRow row = Row(path);
    const uint64_t size = path.size() + 9;
    row.overlays = {{size, 0, {{0, size}}, file->name()}};
    row.commit_ids = {std::string(900, 'c')};  // few rows a page
    journal.Put(journal.NewId(), row, {file});
  }
  // As kill -9 leaves it: the last transactions are in the log.
  void StageAndDie(int n) {
    const pid_t child = fork();
    if (child == 0) {
      const std::unique_ptr<Journal> journal = Journal::Open(dir_, kStore).value();
      for (int i = 0; i < n; ++i) {
        PutFile(*journal, absl::StrCat("f", i));
        if (!journal->WaitForAll({}).ok()) _exit(1);
      }
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
  }
  void Damage(const std::string& name, uint64_t offset, size_t size, char with = '\x5a') {
    std::fstream file(dir_ + "/" + name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << std::string(size, with);
    ASSERT_TRUE(file.good());
  }
  uint64_t SizeOf(const std::string& name) const {
    return std::filesystem::file_size(dir_ + "/" + name);
  }
  // All that is in the directory, to see that it stays so.
  std::map<std::string, std::string> Everything() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_)) {
      struct stat info;
      EXPECT_EQ(stat(entry.path().c_str(), &info), 0);
      std::ostringstream bytes;
      if (entry.is_regular_file()) bytes << std::ifstream(entry.path()).rdbuf();
      all[entry.path()] = absl::StrCat(info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, " ",
                                       info.st_mode, " ", bytes.str());
    }
    return all;
  }
  struct Seen {
    std::map<std::string, std::string> files;  // path -> bytes, or what is wrong
    std::vector<uint64_t> damaged;
    int strangers = 0;
    bool whole = false;
    std::string damage, url;
  };
  Seen LookAround() {
    const auto before = Everything();
    Seen seen;
    {
      const std::unique_ptr<Rescue> rescue = Rescue::Open(dir_).value();
      seen.whole = rescue->whole();
      seen.damage = rescue->damage();
      seen.url = rescue->url();
      while (rescue->Next()) {
        const Rescue::Entry& entry = rescue->entry();
        if (entry.kind == Kind::kDamaged) seen.damaged.push_back(entry.id);
        if (entry.kind == Kind::kStranger) ++seen.strangers;
        if (entry.kind == Kind::kStaged) seen.files[entry.row.path] = Bytes(*rescue);
      }
    }
    EXPECT_EQ(Everything(), before);
    return seen;
  }
  static std::string Bytes(const Rescue& rescue) {
    std::string bytes(rescue.entry().size, '\0');
    const auto n = rescue.Read(0, absl::MakeSpan(bytes));
    if (!n.ok()) return std::string(n.status().message());
    bytes.resize(*n);
    return bytes;
  }
  static std::string Shape(const Rescue& rescue, uint64_t offset = 0, size_t count = 100) {
    constexpr const char* kLetters[] = {"?", "H", "S", "L"};
    std::string shape;
    for (const Rescue::Range& range : rescue.Ranges(offset, count)) {
      absl::StrAppend(&shape, range.range.begin, "-", range.range.end, ":",
                      kLetters[static_cast<int>(range.where)], " ");
    }
    return shape;
  }

  std::string dir_;
  SpillArea area_;
};

TEST_F(RescueTest, TellsAllThatIsStagedAndChangesNothing) {
  Stage(3);
  const Seen seen = LookAround();
  EXPECT_TRUE(seen.whole);
  EXPECT_EQ(seen.url, kStore);
  EXPECT_THAT(seen.files,
              ElementsAre(std::pair("f0", "bytes of f0"), std::pair("f1", "bytes of f1"),
                          std::pair("f2", "bytes of f2")));
  EXPECT_THAT(seen.damaged, IsEmpty());
  EXPECT_EQ(seen.strangers, 0);
}

TEST_F(RescueTest, SeesWhatOnlyTheLogHas) {
  StageAndDie(3);
  ASSERT_GT(SizeOf("journal.db-wal"), 3u * 4096);
  const Seen seen = LookAround();
  EXPECT_TRUE(seen.whole) << seen.damage;
  EXPECT_EQ(seen.files.size(), 3u);
  EXPECT_EQ(Journal::Open(dir_, kStore).value()->TakeRecovered().staged.size(), 3u);
}

TEST_F(RescueTest, ADirectoryHasOneUser) {
  EXPECT_EQ(ErrnoOf(Rescue::Open(dir_ + "/none").status()), ENOENT);
  EXPECT_EQ(ErrnoOf(Rescue::Open(dir_).status()), ENOENT);
  EXPECT_TRUE(std::filesystem::is_empty(dir_));
  std::unique_ptr<Journal> journal = Journal::Open(dir_, kStore).value();
  EXPECT_EQ(ErrnoOf(Rescue::Open(dir_).status()), EBUSY);
  if (const pid_t child = fork(); child == 0) {
    const absl::Status status = Rescue::Open(dir_).status();
    const bool named = absl::StrContains(status.message(), absl::StrCat("pid ", getppid(), ","));
    _exit(ErrnoOf(status) == EBUSY && named ? 0 : 1);
  } else {
    int result = 1;
    waitpid(child, &result, 0);
    EXPECT_EQ(result, 0);
  }
  journal.reset();
  const std::unique_ptr<Rescue> rescue = Rescue::Open(dir_).value();
  EXPECT_EQ(ErrnoOf(Journal::Open(dir_, kStore).status()), EBUSY);
  if (const pid_t child = fork(); child == 0) {
    const absl::Status status = Journal::Open(dir_, kStore).status();
    const std::string owner = absl::StrCat("pid ", getppid(), ",");
    _exit(ErrnoOf(status) == EBUSY && absl::StrContains(status.message(), owner) ? 0 : 1);
  } else {
    int result = 1;
    waitpid(child, &result, 0);
    EXPECT_EQ(result, 0);
  }
}

TEST_F(RescueTest, LayersAreReadAsTheyLie) {
  {
    const std::unique_ptr<Journal> journal = Journal::Open(dir_, kStore).value();
    StagedRow row = Row("layers");
    row.base = {"prefix/layers", 100};
    const auto frozen = File("ffffffffff", 10), live = File("LLLLL", 15);
    row.overlays = {{120, 90, {{10, 20}}, frozen->name()}, {60, 50, {{15, 20}}, live->name()}};
    journal->Put(journal->NewId(), row, {frozen, live});
    row = Row("mode only");
    row.base = {"prefix/mode only", 7};
    row.change.mode = 0600;
    journal->Put(journal->NewId(), row, {});
    row = Row("lost");
    row.lost = {"where/it/was", "prefix/where/it/was", Version::Of("ab")};
    row.overlays = {{3, 0, {}, ""}};
    journal->Put(journal->NewId(), row, {});
    MoveRow move;
    move.path = "to/here";
    move.origin = "from";
    journal->Put(journal->NewId(), move);
    journal->Put(journal->NewId(), UploadRow{"key", "upload"});
    ASSERT_EQ(journal->WaitForAll({}), absl::OkStatus());
  }
  const std::unique_ptr<Rescue> rescue = Rescue::Open(dir_).value();
  EXPECT_TRUE(rescue->whole());
  ASSERT_TRUE(rescue->Next());
  EXPECT_EQ(rescue->entry().size, 60u);
  EXPECT_EQ(rescue->entry().staged_bytes, 10u);
  EXPECT_EQ(Shape(*rescue), "0-10:S 10-20:H 20-50:S 50-60:H ");
  EXPECT_EQ(Shape(*rescue, 12, 2), "12-20:H 20-50:S ");
  EXPECT_EQ(Shape(*rescue, 60), "");
  std::string bytes(60, 'x');
  EXPECT_EQ(rescue->Read(10, absl::MakeSpan(bytes)).value(), 10u);
  EXPECT_EQ(bytes.substr(0, 10), "fffffLLLLL");
  EXPECT_EQ(ErrnoOf(rescue->Read(20, absl::MakeSpan(bytes)).status()), ENODATA);
  EXPECT_EQ(rescue->Read(50, absl::MakeSpan(bytes)).value(), 10u);
  EXPECT_EQ(bytes.substr(0, 10), std::string(10, '\0'));
  EXPECT_EQ(rescue->Read(60, absl::MakeSpan(bytes)).value(), 0u);
  ASSERT_TRUE(rescue->Next());
  EXPECT_EQ(Shape(*rescue), "0-7:S ");
  ASSERT_TRUE(rescue->Next());
  EXPECT_EQ(rescue->entry().kind, Kind::kConflict);
  EXPECT_EQ(rescue->entry().row.lost->path, "where/it/was");
  EXPECT_EQ(Bytes(*rescue), std::string(3, '\0'));
  ASSERT_TRUE(rescue->Next());
  EXPECT_EQ(rescue->entry().kind, Kind::kRename);
  EXPECT_EQ(rescue->entry().row.path, "to/here");
  EXPECT_EQ(rescue->entry().row.lost->path, "from");
  EXPECT_EQ(Shape(*rescue), "");
  EXPECT_FALSE(rescue->Next());
  EXPECT_EQ(Shape(*rescue), "");
}

TEST_F(RescueTest, BytesInRowsAreReadAsTheyLie) {
  {
    const std::unique_ptr<Journal> journal = Journal::Open(dir_, kStore).value();
    StagedRow row = Row("packed");
    row.base = {"prefix/packed", 100};
    row.overlays = {{120, 90, {{5, 8}, {10, 20}}, "", "abcffffffffff"},
                    {60, 50, {{15, 20}}, "", "LLLLL"}};
    journal->Put(journal->NewId(), row, {});
    row = Row("cut");
    row.overlays = {{10, 0, {{0, 3}, {4, 10}}, "", "abcdefg"}};
    journal->Put(journal->NewId(), row, {});
    ASSERT_EQ(journal->WaitForAll({}), absl::OkStatus());
  }
  const std::unique_ptr<Rescue> rescue = Rescue::Open(dir_).value();
  EXPECT_FALSE(rescue->whole());
  ASSERT_TRUE(rescue->Next());
  EXPECT_EQ(rescue->entry().message, "");
  EXPECT_EQ(rescue->entry().staged_bytes, 13u);
  EXPECT_EQ(Shape(*rescue), "0-5:S 5-8:H 8-10:S 10-20:H 20-50:S 50-60:H ");
  std::string bytes(60, 'x');
  EXPECT_EQ(rescue->Read(6, absl::MakeSpan(bytes)).value(), 2u);
  EXPECT_EQ(bytes.substr(0, 2), "bc");
  EXPECT_EQ(rescue->Read(12, absl::MakeSpan(bytes)).value(), 8u);
  EXPECT_EQ(bytes.substr(0, 8), "fffLLLLL");
  ASSERT_TRUE(rescue->Next());
  EXPECT_THAT(rescue->entry().message, HasSubstr("cut short"));
  EXPECT_EQ(Shape(*rescue), "0-4:H 4-10:L ");
  EXPECT_FALSE(rescue->Next());
}

TEST_F(RescueTest, FilesThatAreGoneOrShortAndStrangers) {
  Stage(3);
  File("nobody's");
  std::vector<std::string> names;
  {
    const std::unique_ptr<Rescue> rescue = Rescue::Open(dir_).value();
    EXPECT_TRUE(rescue->whole());
    while (rescue->Next()) {
      if (rescue->entry().kind == Kind::kStaged)
        names.push_back(area_.directory + "/" + rescue->entry().row.overlays[0].file);
      else
        EXPECT_EQ(Bytes(*rescue), "nobody's");
    }
  }
  std::filesystem::remove(names[0]);
  ASSERT_EQ(truncate(names[1].c_str(), 5), 0);
  const Seen seen = LookAround();
  EXPECT_FALSE(seen.whole);
  EXPECT_THAT(seen.files.at("f0"), HasSubstr("is lost: staged/"));
  EXPECT_EQ(seen.files.at("f1"), "bytes");
  EXPECT_EQ(seen.files.at("f2"), "bytes of f2");
  EXPECT_EQ(seen.strangers, 1);
  const std::unique_ptr<Rescue> rescue = Rescue::Open(dir_).value();
  ASSERT_TRUE(rescue->Next());
  EXPECT_EQ(Shape(*rescue), "0-11:L ");
  ASSERT_TRUE(rescue->Next());
  EXPECT_EQ(Shape(*rescue), "0-5:H 5-11:L ");
  EXPECT_THAT(rescue->entry().message, HasSubstr("it has 5 bytes, not 11"));
}

TEST_F(RescueTest, DamagedPagesHideOnlyWhatIsOnThem) {
  constexpr int kFiles = 60;
  Stage(kFiles);
  ASSERT_FALSE(std::filesystem::exists(dir_ + "/journal.db-wal"));
  const uint64_t pages = SizeOf("journal.db") / 4096;
  ASSERT_GT(pages, 10u);
  std::ostringstream journal;
  journal << std::ifstream(dir_ + "/journal.db").rdbuf();
  size_t most_missing = 0;
  for (uint64_t page = 0; page < pages; ++page) {
    SCOPED_TRACE(page);
    Damage("journal.db", page * 4096, 4096);
    const Seen seen = LookAround();
    EXPECT_FALSE(seen.whole);
    EXPECT_FALSE(seen.damage.empty());
    // The first page can be made again; the second one is the root of the rows' tree.
    if (page == 0) {
      EXPECT_EQ(seen.files.size(), size_t{kFiles}) << seen.damage;
    }
    if (page != 1) most_missing = std::max(most_missing, kFiles - seen.files.size());
    if (page != 2) {
      EXPECT_EQ(seen.url, kStore);
    }
    for (const auto& [path, bytes] : seen.files) EXPECT_EQ(bytes, "bytes of " + path);
    EXPECT_EQ(seen.files.size() + static_cast<size_t>(seen.strangers), size_t{kFiles});
    std::ofstream(dir_ + "/journal.db", std::ios::binary) << journal.str();
  }
  EXPECT_LE(most_missing, 8u);
  EXPECT_TRUE(LookAround().whole);
}

TEST_F(RescueTest, WhatIsFarBehindADamagedPageIsFound) {
  {
    const std::unique_ptr<Journal> journal = Journal::Open(dir_, kStore).value();
    for (int i = 0; i < 12; ++i) PutFile(*journal, absl::StrCat("f", i));
    for (int i = 0; i < 3'000'000; ++i) journal->NewId();
    for (int i = 12; i < 24; ++i) PutFile(*journal, absl::StrCat("f", i));
    ASSERT_EQ(journal->WaitForAll({}), absl::OkStatus());
  }
  const uint64_t pages = SizeOf("journal.db") / 4096;
  std::ostringstream journal;
  journal << std::ifstream(dir_ + "/journal.db").rdbuf();
  for (uint64_t page = 3; page < pages; ++page) {
    SCOPED_TRACE(page);
    Damage("journal.db", page * 4096, 4096);
    EXPECT_GE(LookAround().files.size(), 24u - 8);
    std::ofstream(dir_ + "/journal.db", std::ios::binary) << journal.str();
  }
}

TEST_F(RescueTest, ADamagedRowIsNamed) {
  Stage(5);
  std::ostringstream journal;
  journal << std::ifstream(dir_ + "/journal.db").rdbuf();
  const size_t at = journal.str().find(
      "\x02"
      "f3");
  ASSERT_NE(at, std::string::npos);
  Damage("journal.db", at, 1);
  const Seen seen = LookAround();
  EXPECT_FALSE(seen.whole);
  EXPECT_THAT(seen.damaged, ElementsAre(4));
  EXPECT_EQ(seen.files.size(), 4u);
  EXPECT_EQ(seen.strangers, 1);
}

TEST_F(RescueTest, ADamagedLogIsNoticed) {
  StageAndDie(6);
  const uint64_t size = SizeOf("journal.db-wal");
  Damage("journal.db-wal", size / 2, 8);
  const Seen seen = LookAround();
  EXPECT_FALSE(seen.whole);
  EXPECT_THAT(seen.damage, HasSubstr("log is damaged"));
  EXPECT_LT(seen.files.size(), 6u);
  EXPECT_EQ(seen.files.size() + static_cast<size_t>(seen.strangers), 6u);
  Damage("journal.db-wal", 0, 32);
  EXPECT_THAT(LookAround().damage, HasSubstr("log cannot be read"));
}

TEST_F(RescueTest, NothingOfTheJournalIsLeft) {
  Stage(2);
  Damage("journal.db", 0, SizeOf("journal.db"));
  Seen seen = LookAround();
  EXPECT_FALSE(seen.whole);
  EXPECT_EQ(seen.strangers, 2);
  EXPECT_EQ(seen.url, "");
  std::filesystem::remove(dir_ + "/journal.db");
  std::filesystem::remove(dir_ + "/lock");
  seen = LookAround();
  EXPECT_FALSE(seen.whole);
  EXPECT_EQ(seen.strangers, 2);
}

}  // namespace
}  // namespace s3files
