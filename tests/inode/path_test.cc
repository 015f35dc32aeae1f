#include "lib/inode/path.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cerrno>
#include <string>
#include <vector>

#include "lib/base/errors.h"

namespace s3files {
namespace {

Path At(std::vector<std::string> components) { return Path{std::move(components), false}; }

std::string Resolved(absl::string_view path, const Path& at = Path()) {
  const auto resolved = ResolvePath(at, path, "");
  if (!resolved.ok()) return std::string(resolved.status().message());
  return resolved->ToString() + (resolved->must_be_directory ? " dir" : "");
}

TEST(ResolvePath, FollowsTheRulesOfTheHeader) {
  EXPECT_EQ(Resolved("a/b"), "/a/b");
  EXPECT_EQ(Resolved("/a/b"), "/a/b");
  EXPECT_EQ(Resolved("//a///b"), "/a/b");
  EXPECT_EQ(Resolved("./a/./b"), "/a/b");
  EXPECT_EQ(Resolved("a/x/../b"), "/a/b");
  EXPECT_EQ(Resolved("../../a"), "/a");
  EXPECT_EQ(Resolved("a/../.."), "/ dir");
  EXPECT_EQ(Resolved(""), "/");
  EXPECT_EQ(Resolved("/"), "/ dir");
  EXPECT_EQ(Resolved("..."), "/...");
  EXPECT_EQ(Resolved(" "), "/ ");
}

TEST(ResolvePath, RemembersWhatOnlyADirectoryCanBe) {
  EXPECT_EQ(Resolved("a/"), "/a dir");
  EXPECT_EQ(Resolved("a//"), "/a dir");
  EXPECT_EQ(Resolved("a/."), "/a dir");
  EXPECT_EQ(Resolved("a/b/.."), "/a dir");
  EXPECT_EQ(Resolved("a/./b"), "/a/b");
}

TEST(ResolvePath, StartsAtTheDirectory) {
  const Path at = At({"d", "e"});
  EXPECT_EQ(Resolved("a", at), "/d/e/a");
  EXPECT_EQ(Resolved("../a", at), "/d/a");
  EXPECT_EQ(Resolved("../../../a", at), "/a");
  EXPECT_EQ(Resolved("/a", at), "/a");
  EXPECT_EQ(Resolved("", at), "/d/e");
  EXPECT_EQ(Resolved(".", at), "/d/e dir");
}

TEST(ResolvePath, LongComponentsAreNamed) {
  EXPECT_TRUE(ResolvePath(Path(), std::string(255, 'a'), "").ok());
  const auto status = ResolvePath(Path(), "x/" + std::string(256, 'a') + "/..", "").status();
  EXPECT_EQ(ErrnoOf(status), ENAMETOOLONG);
  EXPECT_NE(status.message().find("'aaaa"), absl::string_view::npos);
  EXPECT_NE(status.message().find("256 bytes"), absl::string_view::npos);
  EXPECT_LT(status.message().size(), 300u);
}

TEST(ResolvePath, LongKeysAreRefusedWithThePrefix) {
  std::string path;
  for (int i = 0; i < 5; ++i) path += std::string(199, 'a') + "/";
  path += std::string(24, 'b');  // 1,024 bytes
  EXPECT_TRUE(ResolvePath(Path(), path, "").ok());
  EXPECT_EQ(ErrnoOf(ResolvePath(Path(), path + "b", "").status()), ENAMETOOLONG);
  EXPECT_EQ(ErrnoOf(ResolvePath(Path(), path, "p/").status()), ENAMETOOLONG);
  EXPECT_TRUE(ResolvePath(Path(), path + "/../b", "p/").ok());  // what counts is where it leads
  EXPECT_EQ(ErrnoOf(CheckKeyLength(std::string(1025, 'k'))), ENAMETOOLONG);
  EXPECT_TRUE(CheckKeyLength(std::string(1024, 'k')).ok());
}

TEST(ResolvePath, ANulIsInvalid) {
  EXPECT_EQ(ErrnoOf(ResolvePath(Path(), absl::string_view("a\0b", 3), "").status()), EINVAL);
}

TEST(Path, ParentsAndChildren) {
  EXPECT_TRUE(Path().IsRoot());
  EXPECT_EQ(Path().ToString(), "/");
  EXPECT_EQ(Path().Parent(), Path());
  EXPECT_EQ(At({"a", "b"}).Parent(), At({"a"}));
  EXPECT_EQ(At({"a"}).Child("b"), At({"a", "b"}));
  EXPECT_EQ(At({"a", "b"}).Name(), "b");
}

TEST(Keys, OfFilesAndDirectories) {
  EXPECT_EQ(KeyOf("p/", At({"a", "b"})), "p/a/b");
  EXPECT_EQ(DirectoryKeyOf("p/", At({"a", "b"})), "p/a/b/");
  EXPECT_EQ(DirectoryKeyOf("p/", Path()), "p/");
  EXPECT_EQ(DirectoryKeyOf("", Path()), "");
  EXPECT_EQ(KeyOf("", At({"a"})), "a");
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

TEST(PathFromKey, OnlyWhatAPathCanName) {
  EXPECT_EQ(PathFromKey("p/a/b", "p/"), At({"a", "b"}));
  EXPECT_FALSE(PathFromKey("p/a/b", "p/")->must_be_directory);
  EXPECT_TRUE(PathFromKey("p/a/", "p/")->must_be_directory);
  EXPECT_EQ(PathFromKey("p/", "p/"), Path());
  for (const char* key : {"p/a//b", "p/../b", "p/a/.", "q/a", "p//", "p//a", "/a"}) {
    EXPECT_EQ(PathFromKey(key, "p/"), std::nullopt) << key;
  }
  EXPECT_EQ(PathFromKey("/a", ""), std::nullopt);
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

TEST(PathProperty, PathsAndKeysGoBothWays) {
  EXPECT_TRUE(rc::check("both ways", [] {
    const auto text =
        *rc::gen::container<std::string>(rc::gen::element('a', '.', '/', '-', '\xe9'));
    const auto resolved = ResolvePath(At({"d"}), text, "p/");
    RC_ASSERT(resolved.ok());
    for (const std::string& name : resolved->components) RC_ASSERT(IsValidName(name));
    RC_ASSERT(*PathFromKey(KeyOf("p/", *resolved), "p/") == *resolved);
    RC_ASSERT(*PathFromKey(DirectoryKeyOf("p/", *resolved), "p/") == *resolved);
    RC_ASSERT(*ResolvePath(Path(), resolved->ToString(), "p/") == *resolved);
    if (!resolved->IsRoot()) {
      RC_ASSERT(resolved->Parent().Child(resolved->Name()) == *resolved);
      RC_ASSERT(*NameFromKey(KeyOf("p/", *resolved), DirectoryKeyOf("p/", resolved->Parent())) ==
                resolved->Name());
    }
  }));
}

}  // namespace
}  // namespace s3files
