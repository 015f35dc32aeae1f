#include "lib/s3/xml.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/s3/time_format.h"

namespace s3files {
namespace {

constexpr char kList[] = R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>bucket</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
  <NextContinuationToken>a&amp;b=</NextContinuationToken>
  <Contents><Key>a+b%2B%0A%25</Key><LastModified>2015-10-21T07:28:00.999Z</LastModified>
    <ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag><Size>18446744073709551615</Size>
    <StorageClass>STANDARD</StorageClass></Contents>
  <Contents><Key>c</Key><LastModified>2015-10-21T07:28:00Z</LastModified><ETag/><Size>0</Size>
    <StorageClass>GLACIER</StorageClass></Contents>
  <CommonPrefixes><Prefix>d%2Fe/</Prefix></CommonPrefixes>
</ListBucketResult>)";

TEST(Xml, ListObjects) {
  const absl::StatusOr<ListPage> page = ParseListObjects(kList);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->objects.size(), 2u);
  EXPECT_EQ(page->objects[0].key, "a b+\n%");
  EXPECT_EQ(page->objects[0].size, UINT64_MAX);
  EXPECT_EQ(page->objects[0].stamp.version, Version::Of("9b2cf535f27731c974343645a3985328"));
  EXPECT_EQ(page->objects[0].stamp.last_modified_ns, 1445412480'000'000'000);  // whole seconds
  EXPECT_EQ(page->objects[0].storage_class, "");
  EXPECT_TRUE(page->objects[1].stamp.version.unknown());
  EXPECT_EQ(page->objects[1].storage_class, "GLACIER");
  EXPECT_EQ(page->prefixes, std::vector<std::string>{"d/e/"});
  EXPECT_EQ(page->next_token, "a&b=");
}

std::string ListOf(absl::string_view inner) {
  return absl::StrCat("<ListBucketResult>", inner, "</ListBucketResult>");
}

TEST(Xml, NotEncodedKeysStayAsTheyAre) {
  const auto page = ParseListObjects(
      ListOf("<Contents><Key>a+b%2B</Key><LastModified>2015-10-21T07:28:00Z</LastModified>"
             "<Size>1</Size></Contents>"));
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->objects[0].key, "a+b%2B");
}

TEST(Xml, AnythingElseIsAnErrorAndNotACrash) {
  const std::string object = "<Key>k</Key><LastModified>2015-10-21T07:28:00Z</LastModified>";
  for (const std::string& bad : {
           std::string(),
           std::string("garbage"),
           std::string("<html><body>proxy login</body></html>"),
           std::string("<ListBucketResult>"),
           std::string("<ListBucketResult></Wrong>"),
           std::string(1 << 20, '<'),
           std::string("\0\0\0", 3),
           ListOf("<IsTruncated>true</IsTruncated>"),
           ListOf("<Contents>" + object + "<Size>-1</Size></Contents>"),
           ListOf("<Contents>" + object + "<Size>1e3</Size></Contents>"),
           ListOf("<Contents>" + object + "<Size>18446744073709551616</Size></Contents>"),
           ListOf("<Contents>" + object + "</Contents>"),
           ListOf("<Contents><Key>k</Key><Size>1</Size></Contents>"),
           ListOf("<Contents><Key>k</Key><Size>1</Size><LastModified>9999</LastModified>"
                  "</Contents>"),
           ListOf("<EncodingType>url</EncodingType><CommonPrefixes><Prefix>%zz</Prefix>"
                  "</CommonPrefixes>"),
       }) {
    EXPECT_EQ(ErrnoOf(ParseListObjects(bad).status()), EIO) << bad.substr(0, 80);
  }
}

TEST(Xml, EntitiesAreNotExpandedAndDepthIsBounded) {
  const std::string laughs =
      "<!DOCTYPE l [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>" +
      ListOf("<CommonPrefixes><Prefix>&b;&b;&b;</Prefix></CommonPrefixes>");
  const auto page = ParseListObjects(laughs);
  if (page.ok()) {
    EXPECT_EQ(page->prefixes, std::vector<std::string>{"&b;&b;&b;"});
  }
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  EXPECT_EQ(ErrnoOf(ParseListObjects(ListOf(deep)).status()), EIO);
  const std::string file = "<!DOCTYPE l [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" +
                           ListOf("<CommonPrefixes><Prefix>&x;</Prefix></CommonPrefixes>");
  const auto outside = ParseListObjects(file);
  if (outside.ok()) {
    EXPECT_EQ(outside->prefixes[0], "&x;");
  }
}

TEST(Xml, Errors) {
  const auto error = ParseError(
      "<?xml version=\"1.0\"?><Error><Code>PreconditionFailed</Code><Message>At least one</Message>"
      "<Condition>If-Match</Condition><RequestId>R1</RequestId></Error>");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, "PreconditionFailed");
  EXPECT_EQ(error->condition, "If-Match");
  EXPECT_EQ(error->request_id, "R1");
  EXPECT_FALSE(ParseError("").has_value());
  EXPECT_FALSE(ParseError("<Error").has_value());
  EXPECT_FALSE(ParseError("<CopyObjectResult><ETag>x</ETag></CopyObjectResult>").has_value());
  EXPECT_TRUE(ParseError("  \n <Error><Code>InternalError</Code></Error>").has_value());
}

TEST(Xml, WriteResults) {
  const auto copy = ParseCopyObject(
      "<CopyObjectResult><LastModified>2009-10-12T17:50:30.000Z</LastModified>"
      "<ETag>\"9b2cf535f27731c974343645a3985328\"</ETag></CopyObjectResult>");
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(copy->etag, "\"9b2cf535f27731c974343645a3985328\"");
  EXPECT_EQ(copy->last_modified_ns, 1255369830'000'000'000);
  const auto complete = ParseCompleteUpload(
      "<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>");
  ASSERT_TRUE(complete.ok());
  EXPECT_EQ(complete->etag, "");
  EXPECT_FALSE(ParseCompleteUpload("<CopyPartResult/>").ok());
  EXPECT_FALSE(ParseCreateUpload("<InitiateMultipartUploadResult/>").ok());
}

TEST(Xml, ListPartsAndUploads) {
  const auto parts = ParseListParts(
      "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1"
      "</NextPartNumberMarker><Part><PartNumber>1</PartNumber><ETag>\"e\"</ETag><Size>7</Size>"
      "</Part></ListPartsResult>");
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_EQ(parts->parts[0].etag, "e");
  EXPECT_EQ(parts->parts[0].size, 7u);
  EXPECT_TRUE(parts->truncated);
  EXPECT_FALSE(
      ParseListParts("<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>").ok());
  EXPECT_FALSE(ParseListParts("<ListPartsResult><Part><PartNumber>0</PartNumber><Size>1</Size>"
                              "</Part></ListPartsResult>")
                   .ok());
  const auto uploads = ParseListUploads(
      "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId>"
      "<Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload></ListMultipartUploadsResult>");
  ASSERT_TRUE(uploads.ok());
  EXPECT_EQ(uploads->uploads[0].upload_id, "u");
}

TEST(Xml, Tags) {
  const auto tags = ParseTagging(
      "<Tagging><TagSet><Tag><Key>a &amp; b</Key><Value>c</Value></Tag>"
      "<Tag><Key>e</Key><Value/></Tag></TagSet></Tagging>");
  ASSERT_TRUE(tags.ok()) << tags.status();
  EXPECT_EQ(*tags, (ObjectTags{{"a & b", "c"}, {"e", ""}}));
  EXPECT_TRUE(ParseTagging("<Tagging><TagSet/></Tagging>")->empty());
  EXPECT_FALSE(ParseTagging("<Tagging/>").ok()) << "tags that are not told must not be lost";
  EXPECT_FALSE(ParseTagging("<Tagging><TagSet><Tag/></TagSet></Tagging>").ok());
}

TEST(Xml, Bodies) {
  EXPECT_EQ(CompleteUploadBody({{1, "a", 5}, {2, "b", 6}}),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>&quot;b&quot;</ETag></Part>"
            "</CompleteMultipartUpload>");
  EXPECT_EQ(DeleteObjectsBody({"a<&>\"\r\n\t"}),
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
            "<Object><Key>a&lt;&amp;&gt;&quot;&#13;&#10;&#9;</Key></Object></Delete>");
  EXPECT_TRUE(XmlCanCarry("a\n\xC3\xA9"));
  EXPECT_FALSE(XmlCanCarry("a\x01"));
}

TEST(TimeFormat, HttpDates) {
  EXPECT_EQ(ParseHttpDate("Wed, 21 Oct 2015 07:28:00 GMT"), 1445412480'000'000'000);
  EXPECT_EQ(ParseHttpDate("Wed, 21 Xxx 2015 07:28:00 GMT"), std::nullopt);
  EXPECT_EQ(ParseHttpDate("Wed, 21 anF 2015 07:28:00 GMT"), std::nullopt);
  EXPECT_EQ(ParseHttpDate(""), std::nullopt);
  EXPECT_EQ(ParseIso8601("2015-13-21T07:28:00Z"), std::nullopt);
}

}  // namespace
}  // namespace s3files
