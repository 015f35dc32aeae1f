#include "lib/inode/packed_inode.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/inode/inode.h"

namespace s3files {
namespace {

constexpr char kKey[] = "prefix/file";

class PackedInodeTest : public testing::Test {
 protected:
  PackedInodeTest() { Fill(*file_); }

  static void Fill(Inode& inode) {
    inode.name = "file";
    absl::MutexLock lock(&inode.mu);
    inode.attributes = {FileType::kFile, 04711, 1000, 4'000'000'000, -5};
    ObjectMetadata metadata;
    metadata.content_type = "text/plain";
    metadata.user = {{kCommitIdName, "00112233445566778899aabbccddeeff"}, {"a", "Abc"}};
    StoreAttributes(inode.attributes, &metadata);
    inode.metadata = metadata;
    inode.committed = {Version::Of("\"0123456789abcdef0123456789abcdef-12\"", "v1"), 77};
    inode.content = std::make_shared<Content>(
        std::make_shared<const Base>(kKey, inode.committed.version, 1u << 30), nullptr, nullptr);
    inode.tag_count = 3;
    inode.full = true;
    inode.ctime_ns = 88;
    inode.atime_ns = 99;
    inode.validated_ns = 111;
  }

  static std::unique_ptr<Inode> Unpacked(const Inode& inode, const std::string& key) {
    const std::optional<PackedInode> packed = PackedInode::Of(inode, kKey);
    if (!packed) return nullptr;
    EXPECT_EQ(packed->name(), inode.name);
    EXPECT_EQ(packed->type(), inode.type);
    auto unpacked = std::make_unique<Inode>(inode.ino, inode.generation, inode.type);
    packed->UnpackInto(unpacked.get(), key, nullptr, nullptr);
    return unpacked;
  }

  const std::unique_ptr<Inode> file_ = std::make_unique<Inode>(7, 0, FileType::kFile);
};

TEST_F(PackedInodeTest, GivesBackAFile) {
  const std::unique_ptr<Inode> again = Unpacked(*file_, "moved/file");
  ASSERT_NE(again, nullptr);
  absl::MutexLock lock(&again->mu);
  absl::MutexLock file_lock(&file_->mu);
  EXPECT_EQ(again->attributes, file_->attributes);
  EXPECT_EQ(again->metadata.Get(), file_->metadata.Get());
  EXPECT_EQ(again->committed, file_->committed);
  EXPECT_EQ(again->committed.version.version_id(), "v1");
  EXPECT_EQ(again->tag_count, 3u);
  EXPECT_TRUE(again->full);
  EXPECT_EQ(again->ctime_ns, 88);
  EXPECT_EQ(again->atime_ns, 99);
  EXPECT_EQ(again->validated_ns, 111);
  EXPECT_NE(again->epoch, file_->epoch) << "an answer that is on its way since before is old";
  const BasePtr base = again->content->base();
  EXPECT_EQ(base->id, file_->content->base()->id) << "what is cached of it is lost";
  EXPECT_EQ(base->size, 1u << 30);
  EXPECT_EQ(base->version, file_->committed.version);
  EXPECT_EQ(base->key, "moved/file");
}

TEST_F(PackedInodeTest, GivesBackWhatCarriesNoPosixMetadata) {
  {
    absl::MutexLock lock(&file_->mu);
    file_->metadata = ObjectMetadata();
    file_->attributes = {FileType::kFile, 0644, 0, 0, 1'595'002'920'000'000'000};
    file_->committed = {Version::Unknown(), 77};
    file_->content = std::make_shared<Content>(
        std::make_shared<const Base>(kKey, Version::Unknown(), 5), nullptr, nullptr);
    file_->atime_ns.reset();
  }
  const std::unique_ptr<Inode> again = Unpacked(*file_, kKey);
  ASSERT_NE(again, nullptr);
  absl::MutexLock lock(&again->mu);
  EXPECT_EQ(again->metadata.Get(), ObjectMetadata());
  EXPECT_EQ(again->attributes.mtime_ns, 1'595'002'920'000'000'000);
  EXPECT_TRUE(again->committed.version.unknown());
  EXPECT_FALSE(again->atime_ns.has_value());
  // Some of the four is not all of them.
  {
    absl::MutexLock file_lock(&file_->mu);
    ObjectMetadata some;
    some.user[kOwnerName] = "0";
    file_->metadata = some;
  }
  const std::unique_ptr<Inode> other = Unpacked(*file_, kKey);
  absl::MutexLock other_lock(&other->mu);
  EXPECT_EQ(other->metadata.Get().user.size(), 1u);
}

TEST_F(PackedInodeTest, GivesBackADirectory) {
  Inode directory(8, 0, FileType::kDirectory);
  directory.name = "d";
  {
    absl::MutexLock lock(&directory.mu);
    DirectoryState& state = directory.directory.Mutable();
    state.exists_ns = 1;
    state.changed_ns = 2;
    state.spare_children = 300;
    state.marker = Stamp{Version::Of("etag"), 4};
  }
  const std::unique_ptr<Inode> again = Unpacked(directory, kKey);
  ASSERT_NE(again, nullptr);
  absl::MutexLock lock(&again->mu);
  EXPECT_EQ(again->directory->exists_ns, 1);
  EXPECT_EQ(again->directory->changed_ns, 2);
  EXPECT_EQ(again->directory->spare_children, 300u);
  EXPECT_EQ(again->directory->marker, (Stamp{Version::Of("etag"), 4}));
  EXPECT_FALSE(again->full);
}

TEST_F(PackedInodeTest, LeavesAloneWhatOnlyAnInodeHolds) {
  auto packs = [&](auto change) {
    Inode inode(9, 0, FileType::kFile);
    Fill(inode);
    {
      absl::MutexLock lock(&inode.mu);
      inode.mu.AssertHeld();
      change(inode);
    }
    return PackedInode::Of(inode, kKey).has_value();
  };
  EXPECT_TRUE(packs([](Inode&) {}));
  EXPECT_FALSE(packs([](Inode& i) ABSL_NO_THREAD_SAFETY_ANALYSIS { i.removed = true; }));
  EXPECT_FALSE(packs([](Inode& i) ABSL_NO_THREAD_SAFETY_ANALYSIS { i.conflict = true; }));
  EXPECT_FALSE(packs([](Inode& i) ABSL_NO_THREAD_SAFETY_ANALYSIS { i.error_seen = false; }));
  EXPECT_FALSE(packs([](Inode& i) ABSL_NO_THREAD_SAFETY_ANALYSIS { i.unresolved = {"id"}; }));
  EXPECT_FALSE(packs([](Inode& i) ABSL_NO_THREAD_SAFETY_ANALYSIS { i.content->Retire(); }));
  EXPECT_FALSE(packs([](Inode& i) ABSL_NO_THREAD_SAFETY_ANALYSIS { i.content.reset(); }));
  EXPECT_FALSE(
      packs([](Inode& i) ABSL_NO_THREAD_SAFETY_ANALYSIS { i.committed.version = Version(); }));
  std::shared_ptr<Content> handle;
  EXPECT_FALSE(packs([&](Inode& i) ABSL_NO_THREAD_SAFETY_ANALYSIS { handle = i.content; }));
  Inode elsewhere(10, 0, FileType::kFile);
  Fill(elsewhere);
  EXPECT_FALSE(PackedInode::Of(elsewhere, "its/new/key").has_value());
}

}  // namespace
}  // namespace s3files
