#include <algorithm>
#include <cctype>

#include "tests/server/operation.h"
#include "tests/server/s3_error.h"
#include "tests/server/time_format.h"
#include "tests/server/xml_reader.h"
#include "tests/server/xml_writer.h"

namespace s3files::server {
namespace {

constexpr char kOwner[] = "s3files";

bool IsBucketName(const std::string& name) {
  auto is_inner = [](unsigned char c) {
    return std::islower(c) || std::isdigit(c) || c == '-' || c == '.';
  };
  auto is_outer = [](unsigned char c) { return std::islower(c) || std::isdigit(c); };
  return name.size() >= 3 && name.size() <= 63 && std::ranges::all_of(name, is_inner) &&
         is_outer(name.front()) && is_outer(name.back()) && name.find("..") == name.npos;
}

}  // namespace

Reply ListBuckets(const Context& context, Arrived&) {
  XmlWriter xml("ListAllMyBucketsResult");
  xml.Begin("Owner").Element("ID", kOwner).Element("DisplayName", kOwner).End();
  xml.Begin("Buckets");
  for (const auto& [name, created_ms] : context.store.ListBuckets()) {
    xml.Begin("Bucket")
        .Element("Name", name)
        .Element("CreationDate", FormatIso8601(created_ms))
        .End();
  }
  return XmlReply(xml.Finish());
}

Reply CreateBucket(const Context& context, Arrived& arrived) {
  if (!IsBucketName(arrived.bucket())) {
    throw S3Error("InvalidBucketName").With("BucketName", arrived.bucket());
  }
  std::string location = ReadCreateBucketConfiguration(arrived.document);
  if (!location.empty() && location != context.options.region) {
    throw S3Error("IllegalLocationConstraintException", 400,
                  "The " + location +
                      " location constraint is incompatible for the region "
                      "specific endpoint this request was sent to.");
  }
  context.store.CreateBucket(arrived.bucket());
  return {.status = 200, .headers = {{"Location", "/" + arrived.bucket()}}};
}

Reply HeadBucket(const Context& context, Arrived& arrived) {
  context.store.GetVersioning(arrived.bucket());
  return {.status = 200, .headers = {{"x-amz-bucket-region", context.options.region}}};
}

Reply DeleteBucket(const Context& context, Arrived& arrived) {
  context.store.DeleteBucket(arrived.bucket());
  return {.status = 204};
}

Reply GetBucketLocation(const Context& context, Arrived& arrived) {
  context.store.GetVersioning(arrived.bucket());
  // us-east-1 is, for history's sake, the empty location.
  const std::string& region = context.options.region;
  std::string location = region == "us-east-1" ? "" : region;
  return XmlReply(XmlWriter("LocationConstraint").Text(location).Finish());
}

Reply GetBucketVersioning(const Context& context, Arrived& arrived) {
  XmlWriter xml("VersioningConfiguration");
  switch (context.store.GetVersioning(arrived.bucket())) {
    case Versioning::kOff:
      break;
    case Versioning::kEnabled:
      xml.Element("Status", "Enabled");
      break;
    case Versioning::kSuspended:
      xml.Element("Status", "Suspended");
      break;
  }
  return XmlReply(xml.Finish());
}

Reply PutBucketVersioning(const Context& context, Arrived& arrived) {
  Support support = context.options.behaviour.versioning;
  if (support == Support::kRefused) throw S3Error("NotImplemented");
  Versioning versioning = ReadVersioningConfiguration(arrived.document);
  if (support == Support::kHonoured) context.store.SetVersioning(arrived.bucket(), versioning);
  return {};
}

Reply GetAcl(const Context& context, Arrived& arrived) {
  if (arrived.key().empty()) {
    context.store.GetVersioning(arrived.bucket());
  } else {
    context.store.Find(arrived.bucket(), arrived.key(), arrived.request.Query("versionId"));
  }
  XmlWriter xml("AccessControlPolicy");
  xml.Begin("Owner").Element("ID", kOwner).Element("DisplayName", kOwner).End();
  xml.Begin("AccessControlList").Begin("Grant");
  xml.Begin("Grantee",
            "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
            "xsi:type=\"CanonicalUser\"");
  xml.Element("ID", kOwner).Element("DisplayName", kOwner).End();
  xml.Element("Permission", "FULL_CONTROL");
  return XmlReply(xml.Finish());
}

}  // namespace s3files::server
