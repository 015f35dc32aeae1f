#ifndef S3FILES_EXAMPLES_DEMO_BUCKET_H_
#define S3FILES_EXAMPLES_DEMO_BUCKET_H_

#include <memory>
#include <string>

#include "examples/demo/process.h"
#include "s3files/s3files.hpp"

namespace demo {

// Opens `url` as the AWS_* variables say, and S3FILES_PROVIDER where the store is not AWS's.
s3files::file_system OpenFileSystem(const std::string& url, s3files::event_handler on_event = {});

// Where the demo works: a fresh prefix of a bucket.
class Bucket {
 public:
  // Below `url`, s3://bucket[/prefix], or, where that is empty, on an s3files-server over a
  // temporary directory. The environment is set so that this program and those it runs reach it.
  explicit Bucket(const std::string& url);
  ~Bucket();
  Bucket(const Bucket&) = delete;
  Bucket& operator=(const Bucket&) = delete;

  const std::string& url() const { return url_; }
  std::string Describe() const;
  s3files::file_system Open(s3files::event_handler on_event = {}) const;

  // The object behind `path`, as the program curl gets it.
  std::string GetWithCurl(const std::string& path) const;

 private:
  void StartServer();

  std::string url_;
  std::string directory_;  // the server's; empty without
  std::unique_ptr<Process> server_;
};

}  // namespace demo

#endif  // S3FILES_EXAMPLES_DEMO_BUCKET_H_
