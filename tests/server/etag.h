#ifndef S3FILES_TESTS_SERVER_ETAG_H_
#define S3FILES_TESTS_SERVER_ETAG_H_

#include <string>

#include "tests/server/blob.h"
#include "tests/server/object.h"
#include "tests/server/options.h"

namespace s3files::server {

// The ETag of bytes whose MD5 the PayloadReader computed; unique where ETags are to be cheap.
std::string EtagOf(const std::string& md5, const Behaviour& behaviour);

// The ETag of bytes that are stored already: reads and hashes all of them.
std::string EtagOf(const Blob& blob, const Behaviour& behaviour);

// The ETag of an object made of parts: the MD5 of their MD5s, a dash, their number.
class MultipartEtag {
 public:
  void Add(const std::string& part_etag);
  std::string Finish() const;

 private:
  std::string md5s_;
  int parts_ = 0;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_ETAG_H_
