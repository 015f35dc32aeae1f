#include "tests/server/operation.h"

#include <algorithm>
#include <array>

#include "tests/server/s3_error.h"

namespace s3files::server {
namespace {

using Target = Operation::Target;

// Every query parameter that makes S3 do something else. A request that carries one this server
// has no operation for is refused rather than taken for the plain one.
constexpr std::array<std::string_view, 40> kSubresources = {"accelerate",
                                                            "acl",
                                                            "analytics",
                                                            "attributes",
                                                            "cors",
                                                            "delete",
                                                            "encryption",
                                                            "intelligent-tiering",
                                                            "inventory",
                                                            "legal-hold",
                                                            "lifecycle",
                                                            "list-type",
                                                            "location",
                                                            "logging",
                                                            "metadataTable",
                                                            "metrics",
                                                            "notification",
                                                            "object-lock",
                                                            "ownershipControls",
                                                            "partNumber",
                                                            "policy",
                                                            "policyStatus",
                                                            "publicAccessBlock",
                                                            "renameObject",
                                                            "replication",
                                                            "requestPayment",
                                                            "restore",
                                                            "retention",
                                                            "select",
                                                            "select-type",
                                                            "session",
                                                            "tagging",
                                                            "torrent",
                                                            "uploadId",
                                                            "uploads",
                                                            "versioning",
                                                            "versions",
                                                            "website",
                                                            "append",
                                                            "metadataConfiguration"};

const std::vector<Operation>& Operations() {
  constexpr auto kService = Target::kService;
  constexpr auto kBucket = Target::kBucket;
  constexpr auto kObject = Target::kObject;
  constexpr auto kDocument = BodyKind::kDocument;
  constexpr std::string_view kCopySource = "x-amz-copy-source";
  static const std::vector<Operation> operations = {
      {"GET", kService, {}, "", "ListBuckets", kDocument, false, ListBuckets},

      {"PUT", kBucket, {}, "", "CreateBucket", kDocument, false, CreateBucket},
      {"HEAD", kBucket, {}, "", "HeadBucket", kDocument, false, HeadBucket},
      {"DELETE", kBucket, {}, "", "DeleteBucket", kDocument, false, DeleteBucket},
      {"GET", kBucket, {"location"}, "", "GetBucketLocation", kDocument, false, GetBucketLocation},
      {"GET",
       kBucket,
       {"versioning"},
       "",
       "GetBucketVersioning",
       kDocument,
       false,
       GetBucketVersioning},
      {"PUT",
       kBucket,
       {"versioning"},
       "",
       "PutBucketVersioning",
       kDocument,
       false,
       PutBucketVersioning},
      {"GET", kBucket, {"acl"}, "", "GetBucketAcl", kDocument, false, GetAcl},
      {"GET", kBucket, {}, "", "ListObjects", kDocument, false, ListObjects},
      {"GET", kBucket, {"list-type"}, "", "ListObjectsV2", kDocument, false, ListObjectsV2},
      {"GET",
       kBucket,
       {"versions"},
       "",
       "ListObjectVersions",
       kDocument,
       false,
       ListObjectVersions},
      {"GET",
       kBucket,
       {"uploads"},
       "",
       "ListMultipartUploads",
       kDocument,
       false,
       ListMultipartUploads},
      {"POST", kBucket, {"delete"}, "", "DeleteObjects", kDocument, false, DeleteObjects},

      {"GET", kObject, {}, "", "GetObject", kDocument, false, GetObject},
      {"HEAD", kObject, {}, "", "HeadObject", kDocument, false, GetObject},
      {"GET", kObject, {"acl"}, "", "GetObjectAcl", kDocument, false, GetAcl},
      {"PUT", kObject, {}, kCopySource, "CopyObject", kDocument, true, CopyObject},
      {"PUT", kObject, {}, "", "PutObject", BodyKind::kObject, false, PutObject},
      {"DELETE", kObject, {}, "", "DeleteObject", kDocument, false, DeleteObject},
      {"GET", kObject, {"tagging"}, "", "GetObjectTagging", kDocument, false, GetObjectTagging},
      {"PUT", kObject, {"tagging"}, "", "PutObjectTagging", kDocument, false, PutObjectTagging},
      {"DELETE",
       kObject,
       {"tagging"},
       "",
       "DeleteObjectTagging",
       kDocument,
       false,
       DeleteObjectTagging},

      {"POST",
       kObject,
       {"uploads"},
       "",
       "CreateMultipartUpload",
       kDocument,
       false,
       CreateMultipartUpload},
      {"PUT",
       kObject,
       {"partNumber", "uploadId"},
       kCopySource,
       "UploadPartCopy",
       kDocument,
       true,
       UploadPartCopy},
      {"PUT",
       kObject,
       {"partNumber", "uploadId"},
       "",
       "UploadPart",
       BodyKind::kObject,
       false,
       UploadPart},
      {"POST",
       kObject,
       {"uploadId"},
       "",
       "CompleteMultipartUpload",
       kDocument,
       false,
       CompleteMultipartUpload},
      {"DELETE",
       kObject,
       {"uploadId"},
       "",
       "AbortMultipartUpload",
       kDocument,
       false,
       AbortMultipartUpload},
      {"GET", kObject, {"uploadId"}, "", "ListParts", kDocument, false, ListParts},
  };
  return operations;
}

}  // namespace

const Operation& FindOperation(const Request& request) {
  Target target = !request.key.empty()      ? Target::kObject
                  : !request.bucket.empty() ? Target::kBucket
                                            : Target::kService;
  std::vector<std::string_view> subresources;
  for (std::string_view name : kSubresources) {
    if (request.Query(name)) subresources.push_back(name);
  }
  for (const Operation& operation : Operations()) {
    if (operation.method == request.method && operation.target == target &&
        operation.subresources == subresources &&
        (operation.header.empty() || request.Header(operation.header))) {
      return operation;
    }
  }
  if (subresources.empty()) throw S3Error("MethodNotAllowed").With("Method", request.method);
  throw S3Error("NotImplemented", "This server does not implement the sub-resource ?" +
                                      std::string(subresources.front()));
}

}  // namespace s3files::server
