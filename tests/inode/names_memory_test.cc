// What a known name costs in memory.
#include <malloc.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "lib/inode/names.h"

namespace s3files {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCountsMemory = false;
#else
constexpr bool kCountsMemory = true;
#endif

// As a file is known whose attributes were asked for and that s3files has written.
void Import(Names& names, const InodePtr& inode, size_t i) {
  const std::string key = names.KeyOf(inode);
  absl::MutexLock lock(&inode->mu);
  inode->attributes = {FileType::kFile, 0644, 1000, 1000, 1'595'002'920'123'456'789};
  ObjectMetadata metadata;
  metadata.user[kCommitIdName] = std::string(32, "0123456789abcdef"[i % 16]);
  StoreAttributes(inode->attributes, &metadata);
  inode->metadata = metadata;
  inode->committed = {Version::Of(std::string(32, "0123456789abcdef"[i % 16])), 1};
  inode->content = std::make_shared<Content>(
      std::make_shared<const Base>(key, inode->committed.version, 1000 + i), nullptr, nullptr);
  inode->full = true;
  inode->validated_ns = 1;
}

TEST(NamesMemoryTest, AKnownFileTakesAtMost200BytesPlusItsName) {
  if (!kCountsMemory) GTEST_SKIP() << "a sanitizer's allocator has no mallinfo";
  constexpr size_t kFiles = 100'000;
  Names names({.prefix = "prefix/", .limit = 2 * kFiles}, nullptr, nullptr);
  size_t length = 0;
  const size_t before = mallinfo2().uordblks;
  for (size_t i = 0; i < kFiles; ++i) {
    const std::string name = absl::StrCat("a-file-of-usual-length-", i, ".txt");
    length += name.size();
    Import(names, names.Bind(names.root(), name, FileType::kFile), i);
  }
  const size_t grown = mallinfo2().uordblks - before;
  EXPECT_EQ(names.size(), kFiles);
  const double each = static_cast<double>(grown - length) / kFiles;
  RecordProperty("bytes_per_entry", std::to_string(each));
  EXPECT_LE(each, 200);

  // And all are still known.
  for (size_t i = 0; i < kFiles; i += 1000) {
    const InodePtr inode =
        names.Child(names.root(), absl::StrCat("a-file-of-usual-length-", i, ".txt"));
    ASSERT_NE(inode, nullptr);
    absl::MutexLock lock(&inode->mu);
    ASSERT_NE(inode->content, nullptr);
    EXPECT_EQ(inode->content->size(), 1000 + i);
  }
}

TEST(NamesMemoryTest, WhatIsUsedIsNotPacked) {
  Names names({.prefix = "", .limit = 100, .unpacked_limit = 1}, nullptr, nullptr);
  const InodePtr used = names.Bind(names.root(), "used", FileType::kFile);
  Import(names, used, 1);
  for (int i = 0; i < 20; ++i) {
    Import(names, names.Bind(names.root(), absl::StrCat(i), FileType::kFile), i);
  }
  EXPECT_GT(names.packed(), 10u);
  EXPECT_EQ(names.Child(names.root(), "used"), used);
  const uint64_t ino = names.Child(names.root(), "3")->ino;
  names.Child(names.root(), "4");
  EXPECT_EQ(names.Child(names.root(), "3")->ino, ino);
}

TEST(NamesMemoryTest, APackedNameIsReplacedRemovedAndMovedLikeAnyOther) {
  Names names({.prefix = "", .limit = 1000, .unpacked_limit = 1}, nullptr, nullptr);
  const InodePtr directory = names.Bind(names.root(), "d", FileType::kDirectory);
  for (int i = 0; i < 20; ++i) {
    Import(names, names.Bind(directory, absl::StrCat(i), FileType::kFile), i);
  }
  const size_t all = names.size();
  const InodePtr first = names.Child(directory, "1");
  const uint64_t replaced = names.Child(directory, "2")->ino;
  names.Child(directory, "5");  // packs the one before
  const InodePtr displaced = names.Rebind(first, directory, "2");
  ASSERT_NE(displaced, nullptr);
  EXPECT_EQ(displaced->ino, replaced);
  EXPECT_EQ(names.Child(directory, "2"), first);
  EXPECT_EQ(names.Child(directory, "1"), nullptr);
  EXPECT_EQ(names.size(), all - 1);
  EXPECT_GT(names.packed(), 10u);

  names.Unbind(directory);
  EXPECT_EQ(names.size(), 0u);
  EXPECT_EQ(names.packed(), 0u);
  const InodePtr again = names.Bind(names.root(), "d", FileType::kDirectory);
  EXPECT_EQ(names.Child(again, "3"), nullptr);
}

}  // namespace
}  // namespace s3files
