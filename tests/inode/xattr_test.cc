#include "lib/inode/xattr.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cerrno>
#include <string>

#include "absl/strings/ascii.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

TEST(Xattr, NamesThatAHeaderCanHave) {
  EXPECT_EQ(*MetadataNameOf("user.project"), "project");
  EXPECT_EQ(*MetadataNameOf("user.a-b_c.9"), "a-b_c.9");
  for (const char* name : {"project", "user.", "system.posix_acl_access", "user.A", "user.a b",
                           "user.\xc3\xa9", "user.a:b", ""}) {
    EXPECT_EQ(ErrnoOf(MetadataNameOf(name).status()), ENOTSUP) << name;
  }
  for (const char* name : {"user.file-owner", "user.file-mtime", "user.s3files-commit"}) {
    EXPECT_EQ(ErrnoOf(MetadataNameOf(name).status()), EPERM) << name;
  }
}

TEST(Xattr, ListsWhatIsNotPosix) {
  ObjectMetadata metadata;
  metadata.user = {{"b", "1"}, {"a", "2"}, {"file-owner", "0"}, {"s3files-commit", "x"}};
  EXPECT_EQ(XattrNamesOf(metadata), (std::vector<std::string>{"user.a", "user.b"}));
}

TEST(Xattr, PrintableValuesStandAsTheyAre) {
  EXPECT_EQ(EncodeXattr("plain text, 100%"), "plain text, 100%");
  EXPECT_EQ(EncodeXattr(""),
            "=?UTF-8?B?"
            "?=");
  EXPECT_EQ(EncodeXattr("\n"), "=?UTF-8?B?Cg==?=");
  EXPECT_EQ(EncodeXattr(" x"), "=?UTF-8?B?IHg=?=");
  EXPECT_EQ(EncodeXattr("=?"), "=?UTF-8?B?PT8=?=");
}

TEST(Xattr, WhatAwsReturnsIsDecoded) {
  EXPECT_EQ(DecodeXattr("=?UTF-8?Q?caf=C3=A9_noir?="), "caf\xc3\xa9 noir");
  EXPECT_EQ(DecodeXattr("=?utf-8?b?w6k=?="), "\xc3\xa9");
  EXPECT_EQ(DecodeXattr("=?UTF-8?X?abc?="), "=?UTF-8?X?abc?=");
  EXPECT_EQ(DecodeXattr("=?UTF-8?"), "=?UTF-8?");
  EXPECT_EQ(DecodeXattr("=?UTF-8?B?***?="), "=?UTF-8?B?***?=");
  EXPECT_EQ(DecodeXattr("a =?UTF-8?B?w6k=?="), "a =?UTF-8?B?w6k=?=");
}

TEST(Xattr, AnyValueComesBack) {
  EXPECT_TRUE(rc::check("there and back", [](const std::string& value) {
    const std::string text = EncodeXattr(value);
    for (const char c : text) RC_ASSERT(absl::ascii_isprint(static_cast<unsigned char>(c)));
    RC_ASSERT(DecodeXattr(text) == value);
  }));
  const std::string large(1000, '\xff');
  EXPECT_EQ(DecodeXattr(EncodeXattr(large)), large);
}

TEST(Xattr, MoreThanS3HoldsIsRefused) {
  ObjectMetadata metadata;
  // The commit id, 14 + 32 bytes, goes with every object, whether it is known already or not.
  metadata.user["a"] = std::string(2047 - 46, 'x');
  EXPECT_TRUE(CheckMetadataSize(metadata).ok());
  metadata.user[kCommitIdName] = std::string(32, '0');
  EXPECT_TRUE(CheckMetadataSize(metadata).ok());
  metadata.user["b"] = "";
  EXPECT_EQ(ErrnoOf(CheckMetadataSize(metadata)), ENOSPC);
}

}  // namespace
}  // namespace s3files
