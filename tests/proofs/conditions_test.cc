// [W8] Provider generic with stores that honour, refuse and ignore the conditions it does not rely on.

#include <cerrno>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/proofs/s3_fixture.h"

namespace s3files::proofs {
namespace {

using server::Support;

const std::string kLarge = Pattern(20 * kMiB);

std::error_code Write(const file_system& fs, const std::string& path, const std::string& bytes) {
  file out = fs.open(path, open_flags::write | open_flags::create | open_flags::truncate);
  out.pwrite(bytes.data(), bytes.size(), 0);
  std::error_code code;
  out.close(code);
  return code;
}

class Generic : public OnS3 {
 protected:
  explicit Generic(Support support) : OnS3(OnlyPuts(support)) {}

  file_system OpenGeneric(event_handler on_event = {}, options more = {}) const {
    more["provider"] = "generic";
    return {kUrl, OptionsFor(*server_, more), std::move(on_event)};
  }
};

class GenericHonoured : public Generic {
 protected:
  GenericHonoured() : Generic(Support::kHonoured) {
    WriteAll(other_, "a", "old");
    WriteAll(other_, "b", "source");
  }

  // Another writes `path` between the HEAD of `change`, of which the event tells, and its write.
  void ExpectStale(const std::string& path, const std::string& kind,
                   const std::function<std::error_code(const file_system&)>& change) {
    const file_system fs = OpenGeneric([&](const event& told) {
      const bool now = told.kind == event_kind::unconditional &&
                       told.detail.find(" " + kind + ":") != std::string_view::npos;
      if (now) WriteAll(other_, path, "another's");
    });
    EXPECT_EQ(change(fs).value(), ESTALE);
    EXPECT_TRUE(ReadAll(Open(), path) == "another's");
    EXPECT_TRUE(ReadAll(fs, path) == "another's");
  }

  const file_system other_ = Open();
};

TEST_F(GenericHonoured, W8ACompleteThatRacesIsStale) {
  for (const std::string path : {"a", "new"}) {
    ExpectStale(path, "uploads in parts",
                [&](const file_system& fs) { return Write(fs, path, kLarge); });
  }
  EXPECT_EQ(CountPendingUploads(), 0u);
}

TEST_F(GenericHonoured, W8ACopyThatRacesIsStale) {
  for (const std::string path : {"a", "b"}) {
    ExpectStale(path, "copies", [](const file_system& fs) {
      std::error_code code;
      fs.rename("b", "a", code);
      return code;
    });
  }
}

TEST_F(GenericHonoured, W8ARemovalThatRacesIsStale) {
  ExpectStale("a", "removals", [](const file_system& fs) {
    std::error_code code;
    fs.unlink("a", code);
    return code;
  });
}

TEST_F(GenericHonoured, W8ALostReplyIsSettled) {
  KeepVersions();
  const file_system fs = OpenGeneric();
  const auto lose = [&](const std::string& operation) {
    server_->AddFault({.operation = operation, .count = 1, .drop_reply = true});
  };
  const size_t before = CountVersions();
  lose("CompleteMultipartUpload");
  WriteAll(fs, "a", kLarge);
  lose("CopyObject");
  lose("DeleteObject");
  fs.rename("a", "b");
  lose("DeleteObject");
  fs.unlink("b");
  EXPECT_EQ(CountVersions(), before + 2);
  EXPECT_EQ(CountDeleteMarkers(), 2u);
}

// Once for each kind, by its path in the file system.
TEST_F(GenericHonoured, W8IsToldOnce) {
  std::vector<std::string> paths;
  std::set<std::string> details;
  const file_system fs = OpenGeneric(
      [&](const event& told) {
        if (told.kind != event_kind::unconditional) return;
        paths.emplace_back(told.path);
        details.emplace(told.detail);
      },
      {{"commit_delay", "0"}});
  fs.mkdir("d");
  for (const std::string path : {"d/x", "d/y"}) {
    WriteAll(fs, path, kLarge);
    fs.rename(path, "d/z");
  }
  fs.unlink("d/z");
  fs.rmdir("d");
  EXPECT_EQ(paths, (std::vector<std::string>{"d/x", "d/z", "d/x"}));
  EXPECT_EQ(details.size(), paths.size()) << "they differ";
}

class GenericRefused : public Generic {
 protected:
  GenericRefused() : Generic(Support::kRefused) {}
};

TEST_F(GenericRefused, W8EachKindIsRefusedOnce) {
  const file_system fs = OpenGeneric();
  for (int round = 0; round < 3; ++round) {
    WriteAll(fs, "a", kLarge);  // creates
    WriteAll(fs, "a", "small, in one request");
    WriteAll(fs, "a", kLarge);  // replaces
    fs.rename("a", "b");
    WriteAll(fs, "a", "once more");
    fs.rename("a", "b");
    EXPECT_EQ(ReadAll(Open(), "b"), "once more");
    fs.unlink("b");
    EXPECT_EQ(CountObjects(), 0u);
  }
  const auto refused = [&](const std::string& operation) {
    size_t count = 0;
    for (const server::LogEntry& entry : Requests(operation)) count += entry.status == 501;
    return count;
  };
  EXPECT_EQ(refused("CompleteMultipartUpload"), 2u) << "to create, to replace";
  EXPECT_EQ(refused("CopyObject"), 3u) << "of the source, and the target to create, to replace";
  EXPECT_EQ(refused("DeleteObject"), 1u);
}

class GenericIgnored : public Generic {
 protected:
  GenericIgnored() : Generic(Support::kIgnored) {}
};

TEST_F(GenericIgnored, W8TheHeadBeforeStillCompares) {
  const file_system other = Open();
  WriteAll(other, "a", "old");
  const file_system fs = OpenGeneric();
  file out = fs.open("a", open_flags::write | open_flags::truncate);
  out.pwrite(kLarge.data(), kLarge.size(), 0);
  WriteAll(other, "a", "another's");
  std::error_code code;
  out.close(code);
  EXPECT_EQ(code.value(), ESTALE);
  EXPECT_TRUE(ReadAll(Open(), "a") == "another's");
  WriteAll(fs, "a", kLarge);
  fs.rename("a", "b");
  fs.unlink("b");
  EXPECT_EQ(CountObjects(), 0u);
}

}  // namespace
}  // namespace s3files::proofs
