#include "lib/inode/attributes.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>
#include <string>

namespace s3files {
namespace {

constexpr int64_t kModified = 1'700'000'000'000'000'000;
constexpr AttributeDefaults kDefaults{.uid = 7, .gid = 8, .file_mode = 0600, .dir_mode = 0700};

ObjectInfo Object(const std::map<std::string, std::string>& user, uint64_t size = 100) {
  ObjectInfo info;
  info.size = size;
  info.stamp = {Version::Of("etag"), kModified};
  info.metadata.user = user;
  return info;
}

uint32_t ModeOf(const std::string& permissions, bool is_directory = false, uint64_t size = 100) {
  return AttributesOf(Object({{"file-permissions", permissions}}, size), is_directory, kDefaults)
      .mode;
}

TEST(AttributesOf, ReadsWhatS3FilesWrites) {
  const Attributes file = AttributesOf(Object({{"file-owner", "1000"},
                                               {"file-group", "100"},
                                               {"file-permissions", "0100644"},
                                               {"file-mtime", "1595002920123456789ns"}}),
                                       false, kDefaults);
  EXPECT_EQ(file, (Attributes{FileType::kFile, 0644, 1000, 100, 1595002920123456789}));
}

TEST(AttributesOf, PlainObjectsHaveTheDefaults) {
  EXPECT_EQ(AttributesOf(Object({}), false, kDefaults),
            (Attributes{FileType::kFile, 0600, 7, 8, kModified}));
  EXPECT_EQ(AttributesOf(Object({}, 0), true, kDefaults),
            (Attributes{FileType::kDirectory, 0700, 7, 8, kModified}));
  EXPECT_EQ(ImpliedDirectory(kDefaults), (Attributes{FileType::kDirectory, 0700, 7, 8, 0}));
}

TEST(AttributesOf, TheKeySaysWhatIsADirectory) {
  EXPECT_EQ(ModeOf("040711", true), 0711u);
  EXPECT_EQ(ModeOf("0100644", true), 0700u);  // a directory that cannot be entered helps nobody
  EXPECT_EQ(ModeOf("040755", false), 0600u);
  const Attributes marker =
      AttributesOf(Object({{"file-permissions", "0120777"}}, 10), true, kDefaults);
  EXPECT_EQ(marker.type, FileType::kDirectory);
}

TEST(AttributesOf, SymlinksNeedABodyThatCanBeATarget) {
  const auto type = [](uint64_t size) {
    return AttributesOf(Object({{"file-permissions", "0120777"}}, size), false, kDefaults).type;
  };
  EXPECT_EQ(type(1), FileType::kSymlink);
  EXPECT_EQ(type(4095), FileType::kSymlink);
  EXPECT_EQ(type(0), FileType::kFile);
  EXPECT_EQ(type(4096), FileType::kFile);
  EXPECT_EQ(ModeOf("0120777"), 0777u);
  EXPECT_EQ(ModeOf("0120777", false, 4096), 0600u);
}

TEST(AttributesOf, PermissionsWithoutATypeCount) {
  EXPECT_EQ(ModeOf("644"), 0644u);
  EXPECT_EQ(ModeOf("04755"), 04755u);
  EXPECT_EQ(ModeOf("0"), 0u);
}

TEST(AttributesOf, MalformedPermissionsGiveTheDefault) {
  for (const char* text : {"", " 0644", "0644 ", "+644", "-1", "0o644", "0x1a4", "0100648", "rw",
                           "01000644", "77777777777777777777", "010644", "060644"}) {
    EXPECT_EQ(ModeOf(text), 0600u) << text;
  }
}

TEST(AttributesOf, MalformedIdsGiveTheDefault) {
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1.0", "root", "0x10", "4294967295",
                           "4294967296", "99999999999999999999"}) {
    const Attributes a =
        AttributesOf(Object({{"file-owner", text}, {"file-group", text}}), false, kDefaults);
    EXPECT_EQ(a.uid, 7u) << text;
    EXPECT_EQ(a.gid, 8u) << text;
  }
  EXPECT_EQ(AttributesOf(Object({{"file-owner", "4294967294"}}), false, kDefaults).uid,
            4294967294u);
}

TEST(AttributesOf, MalformedTimesGiveLastModified) {
  for (const char* text : {"", "ns", "5", "5s", "5 ns", " 5ns", "+5ns", "5.0ns", "5nsns", "--5ns",
                           "9223372036854775808ns", "-9223372036854775809ns", "5NS"}) {
    EXPECT_EQ(AttributesOf(Object({{"file-mtime", text}}), false, kDefaults).mtime_ns, kModified)
        << text;
  }
  EXPECT_EQ(AttributesOf(Object({{"file-mtime", "-5ns"}}), false, kDefaults).mtime_ns, -5);
}

TEST(AttributesOf, OneBadFieldLeavesTheOthers) {
  const Attributes a =
      AttributesOf(Object({{"file-owner", "x"}, {"file-group", "5"}}), false, kDefaults);
  EXPECT_EQ(a.uid, 7u);
  EXPECT_EQ(a.gid, 5u);
}

TEST(StoreAttributes, WritesAsS3FilesDoes) {
  ObjectMetadata metadata;
  metadata.user = {{"color", "red"}, {kCommitIdName, "id"}, {"file-owner", "1"}};
  metadata.content_type = "text/plain";
  StoreAttributes({FileType::kFile, 0644, 1000, 100, 5}, &metadata);
  EXPECT_EQ(metadata.user, (std::map<std::string, std::string>{{"color", "red"},
                                                               {kCommitIdName, "id"},
                                                               {"file-owner", "1000"},
                                                               {"file-group", "100"},
                                                               {"file-permissions", "0100644"},
                                                               {"file-mtime", "5ns"}}));
  EXPECT_EQ(metadata.content_type, "text/plain");
  StoreAttributes({FileType::kDirectory, 0755, 0, 0, 0}, &metadata);
  EXPECT_EQ(metadata.user["file-permissions"], "040755");
  StoreAttributes({FileType::kSymlink, 0777, 0, 0, 0}, &metadata);
  EXPECT_EQ(metadata.user["file-permissions"], "0120777");
  StoreAttributes({FileType::kFile, 0200644, 0, 0, 0}, &metadata);
  EXPECT_EQ(metadata.user["file-permissions"], "0100644");  // bits that are not permissions
}

TEST(AttributesProperty, WhatIsStoredIsReadBack) {
  EXPECT_TRUE(rc::check("round trip", [] {
    Attributes a;
    a.type = *rc::gen::element(FileType::kFile, FileType::kDirectory, FileType::kSymlink);
    a.mode = *rc::gen::inRange<uint32_t>(0, 010000);
    a.uid = *rc::gen::distinctFrom(rc::gen::arbitrary<uint32_t>(), UINT32_MAX);
    a.gid = *rc::gen::distinctFrom(rc::gen::arbitrary<uint32_t>(), UINT32_MAX);
    a.mtime_ns = *rc::gen::oneOf(
        rc::gen::arbitrary<int64_t>(),
        rc::gen::element(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()));
    ObjectInfo info = Object({{"kept", "yes"}});
    StoreAttributes(a, &info.metadata);
    RC_ASSERT(AttributesOf(info, a.type == FileType::kDirectory, kDefaults) == a);
    RC_ASSERT(info.metadata.user.at("kept") == "yes");
  }));
}

TEST(AttributesProperty, AnyTextGivesAttributesThatCanBeStored) {
  EXPECT_TRUE(rc::check("any text", [] {
    const auto text =
        rc::gen::container<std::string>(rc::gen::elementOf(std::string("0127 -+nsx")));
    const bool is_directory = *rc::gen::arbitrary<bool>();
    ObjectInfo info = Object(
        {{kOwnerName, *text}, {kGroupName, *text}, {kPermissionsName, *text}, {kMtimeName, *text}});
    const Attributes a = AttributesOf(info, is_directory, kDefaults);
    RC_ASSERT(a.mode <= 07777u);
    RC_ASSERT((a.type == FileType::kDirectory) == is_directory);
    StoreAttributes(a, &info.metadata);
    RC_ASSERT(AttributesOf(info, is_directory, kDefaults) == a);
  }));
}

}  // namespace
}  // namespace s3files
