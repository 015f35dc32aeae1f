#include "lib/inode/kept_metadata.h"

#include "gtest/gtest.h"

namespace s3files {
namespace {

TEST(KeptMetadataTest, GivesBackWhatItWasGiven) {
  EXPECT_EQ(KeptMetadata().Get(), ObjectMetadata());
  EXPECT_EQ(KeptMetadata(ObjectMetadata()).Get(), ObjectMetadata());

  ObjectMetadata metadata;
  metadata.content_type = "text/plain";
  metadata.content_encoding = "gzip";
  metadata.content_language = "de";
  metadata.content_disposition = "inline";
  metadata.cache_control = "no-cache";
  metadata.expires = "0";
  metadata.storage_class = "STANDARD_IA";
  metadata.encryption = "aws:kms";
  metadata.encryption_key = std::string(300, 'k');
  metadata.encryption_bucket_key = "true";
  metadata.user = {{"a", ""}, {"long", std::string(2000, 'x')}, {"nul", std::string(2, '\0')}};
  EXPECT_EQ(KeptMetadata(metadata).Get(), metadata);

  ObjectMetadata only_user;
  only_user.user = {{"", ""}, {"b", "127"}};
  EXPECT_EQ(KeptMetadata(only_user).Get(), only_user);
}

}  // namespace
}  // namespace s3files
