#ifndef S3FILES_TESTS_SERVER_OPERATION_H_
#define S3FILES_TESTS_SERVER_OPERATION_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tests/server/options.h"
#include "tests/server/payload_reader.h"
#include "tests/server/reply.h"
#include "tests/server/request.h"
#include "tests/server/store.h"

namespace s3files::server {

// What every operation works on.
struct Context {
  const ServerOptions& options;
  Store& store;
};

// A request whose body has arrived and been verified.
struct Arrived {
  const Request& request;
  PayloadReader::Payload payload;  // of an object
  std::string document;            // the body of any other request

  std::string bucket() const { return request.bucket; }
  std::string key() const { return request.key; }
};

enum class BodyKind {
  kDocument,  // XML, small, or nothing
  kObject,    // goes to the store
};

// One operation of S3's REST interface.
struct Operation {
  enum class Target { kService, kBucket, kObject };

  std::string_view method;
  Target target;
  std::vector<std::string_view> subresources;  // query parameters that make it this operation
  std::string_view header;                     // a header that does
  const char* name;
  BodyKind body;
  bool heavy;  // may hash much: kept off the threads that serve sockets
  Reply (*run)(const Context& context, Arrived& arrived);
};

// Throws NotImplemented or MethodNotAllowed where S3 or this server has no such operation.
const Operation& FindOperation(const Request& request);

// The operations, by file.

// bucket_operations.cc
Reply ListBuckets(const Context&, Arrived&);
Reply CreateBucket(const Context&, Arrived&);
Reply HeadBucket(const Context&, Arrived&);
Reply DeleteBucket(const Context&, Arrived&);
Reply GetBucketLocation(const Context&, Arrived&);
Reply GetBucketVersioning(const Context&, Arrived&);
Reply PutBucketVersioning(const Context&, Arrived&);
Reply GetAcl(const Context&, Arrived&);

// list_operations.cc
Reply ListObjects(const Context&, Arrived&);
Reply ListObjectsV2(const Context&, Arrived&);
Reply ListObjectVersions(const Context&, Arrived&);
Reply ListMultipartUploads(const Context&, Arrived&);
Reply ListParts(const Context&, Arrived&);

// read_operations.cc
Reply GetObject(const Context&, Arrived&);
Reply GetObjectTagging(const Context&, Arrived&);

// write_operations.cc
Reply PutObject(const Context&, Arrived&);
Reply CopyObject(const Context&, Arrived&);
Reply DeleteObject(const Context&, Arrived&);
Reply DeleteObjects(const Context&, Arrived&);
Reply PutObjectTagging(const Context&, Arrived&);
Reply DeleteObjectTagging(const Context&, Arrived&);

// multipart_operations.cc
Reply CreateMultipartUpload(const Context&, Arrived&);
Reply UploadPart(const Context&, Arrived&);
Reply UploadPartCopy(const Context&, Arrived&);
Reply CompleteMultipartUpload(const Context&, Arrived&);
Reply AbortMultipartUpload(const Context&, Arrived&);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_OPERATION_H_
