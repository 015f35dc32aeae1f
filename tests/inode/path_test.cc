#include "lib/inode/path.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

// "/" where it is absolute, the steps, " dir" where only a directory can be meant.
std::string Split(absl::string_view path) {
  const auto split = SplitPath(path);
  if (!split.ok()) return std::string(split.status().message());
  return absl::StrCat(split->absolute ? "/" : "", absl::StrJoin(split->steps, "/"),
                      split->must_be_directory ? " dir" : "");
}

TEST(SplitPath, LeavesOutWhatLeadsNowhere) {
  EXPECT_EQ(Split("a/b"), "a/b");
  EXPECT_EQ(Split("/a/b"), "/a/b");
  EXPECT_EQ(Split("//a///b"), "/a/b");
  EXPECT_EQ(Split("./a/./b"), "a/b");
  EXPECT_EQ(Split("a/x/../b"), "a/x/../b");  // x may be a symlink
  EXPECT_EQ(Split("../../a"), "../../a");
  EXPECT_EQ(Split(""), "");
  EXPECT_EQ(Split("/"), "/ dir");
  EXPECT_EQ(Split("..."), "...");
  EXPECT_EQ(Split(" "), " ");
}

TEST(SplitPath, RemembersWhatOnlyADirectoryCanBe) {
  EXPECT_EQ(Split("a/"), "a dir");
  EXPECT_EQ(Split("a//"), "a dir");
  EXPECT_EQ(Split("a/."), "a dir");
  EXPECT_EQ(Split("a/b/.."), "a/b/.. dir");
  EXPECT_EQ(Split("a/./b"), "a/b");
}

TEST(SplitPath, LongComponentsAreNamed) {
  EXPECT_TRUE(SplitPath(std::string(255, 'a')).ok());
  const auto status = SplitPath("x/" + std::string(256, 'a') + "/..").status();
  EXPECT_EQ(ErrnoOf(status), ENAMETOOLONG);
  EXPECT_NE(status.message().find("'aaaa"), absl::string_view::npos);
  EXPECT_NE(status.message().find("256 bytes"), absl::string_view::npos);
  EXPECT_LT(status.message().size(), 300u);
}

TEST(SplitPath, ANulIsInvalid) {
  EXPECT_EQ(ErrnoOf(SplitPath(absl::string_view("a\0b", 3)).status()), EINVAL);
}

TEST(CheckUtf8, TakesWhatStandsForACodePoint) {
  for (const absl::string_view good :
       {"", "a/b", "\x01\x7f", "\xc2\x80", "\xc3\xa9", "\xe0\xa0\x80", "\xed\x9f\xbf",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "a\xf4\x8f\xbf\xbfz"}) {
    EXPECT_TRUE(CheckUtf8(good).ok()) << good;
  }
  for (const absl::string_view bad :
       {"\x80", "a\xff", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xe2\x82",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_EQ(ErrnoOf(CheckUtf8(bad)), EILSEQ) << bad;
  }
}

TEST(CheckKeyLength, RefusesWhatNoStoreTakes) {
  EXPECT_EQ(ErrnoOf(CheckKeyLength(std::string(1025, 'k'))), ENAMETOOLONG);
  EXPECT_TRUE(CheckKeyLength(std::string(1024, 'k')).ok());
}

TEST(Names, FromKeys) {
  EXPECT_EQ(NameFromKey("p/a", "p/"), "a");
  EXPECT_EQ(NameFromKey("p/a/", "p/"), "a");
  EXPECT_EQ(NameFromKey("a", ""), "a");
  EXPECT_EQ(NameFromKey("p/" + std::string(255, 'x'), "p/"), std::string(255, 'x'));
  EXPECT_EQ(NameFromKey("p/ \n\xff", "p/"), " \n\xff");
  for (const std::string& key :
       {std::string("p/"), std::string("p//"), std::string("p/."), std::string("p/./"),
        std::string("p/.."), std::string("p/../"), std::string("p/a/b"), std::string("p/a//"),
        std::string("q/a"), "p/" + std::string(256, 'x'), std::string("p/a\0b", 5)}) {
    EXPECT_EQ(NameFromKey(key, "p/"), std::nullopt) << key;
  }
}

TEST(NormalizePrefix, EndsInASlash) {
  EXPECT_EQ(*NormalizePrefix(""), "");
  EXPECT_EQ(*NormalizePrefix("/"), "");  // s3://bucket//: nothing that could be meant
  EXPECT_EQ(*NormalizePrefix("a/b"), "a/b/");
  EXPECT_EQ(*NormalizePrefix("a/b/"), "a/b/");
  for (const char* prefix : {"/a", "a//b", "a//", "./a", "a/..", "."}) {
    EXPECT_EQ(ErrnoOf(NormalizePrefix(prefix).status()), EINVAL) << prefix;
  }
  EXPECT_EQ(ErrnoOf(NormalizePrefix(absl::string_view("a\0b", 3)).status()), EINVAL);
  EXPECT_TRUE(NormalizePrefix(std::string(1022, 'a')).ok());
  EXPECT_EQ(ErrnoOf(NormalizePrefix(std::string(1023, 'a')).status()), ENAMETOOLONG);
}

TEST(PathProperty, EveryStepIsAValidNameOrUp) {
  EXPECT_TRUE(rc::check("valid", [] {
    const auto text =
        *rc::gen::container<std::string>(rc::gen::element('a', '.', '/', '-', '\xe9'));
    const auto split = SplitPath(text);
    RC_ASSERT(split.ok());
    for (const std::string& step : split->steps) {
      RC_ASSERT(step == ".." || IsValidName(step));
      if (step != "..") RC_ASSERT(*NameFromKey("p/" + step, "p/") == step);
    }
  }));
}

}  // namespace
}  // namespace s3files
