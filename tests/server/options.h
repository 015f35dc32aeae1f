#ifndef S3FILES_TESTS_SERVER_OPTIONS_H_
#define S3FILES_TESTS_SERVER_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace s3files::server {

// How a server treats a feature it need not have.
enum class Support {
  kHonoured,
  kIgnored,  // as if the request had not asked for it
  kRefused,  // 501 NotImplemented
};

// What the server is like; the defaults are AWS.
struct Behaviour {
  Support put_if_none_match = Support::kHonoured;
  Support put_if_match = Support::kHonoured;
  Support delete_if_match = Support::kHonoured;      // DeleteObject and DeleteObjects
  Support complete_conditions = Support::kHonoured;  // CompleteMultipartUpload
  Support copy_source_conditions = Support::kHonoured;
  Support copy_target_conditions = Support::kHonoured;
  Support upload_part_copy = Support::kHonoured;  // ignored: an empty part is uploaded
  Support list_v2 = Support::kHonoured;           // ignored: answered as ListObjects
  Support versioning = Support::kHonoured;        // ignored: PutBucketVersioning does nothing
  bool delete_objects_needs_md5 = false;          // else InvalidRequest
  bool fast_etag = false;                         // ETags are not MD5s: for benchmarks

  uint64_t min_part_size = 5ull << 20;  // of every part but the last
  uint64_t max_put_size = 5ull << 30;   // PutObject, UploadPart
  uint64_t max_copy_size = 5ull << 30;  // CopyObject, UploadPartCopy
};

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // port 0: a free one
  std::string store = "memory";        // or a directory, which survives restarts
  std::string access_key = "s3files";
  std::string secret_key = "s3files-secret";
  std::string region = "us-east-1";
  std::vector<std::string> buckets = {};  // created at start where missing
  // BUCKET.DOMAIN as Host means virtual-host addressing; DOMAIN itself and addresses, path style.
  std::vector<std::string> domains = {"s3.localhost", "localhost"};
  int threads = 2;
  int64_t clock_offset_s = 0;  // the server's clock minus the machine's
  std::string log_file = {};   // one line per request; none where empty
  Behaviour behaviour = {};
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_OPTIONS_H_
