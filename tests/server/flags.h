#ifndef S3FILES_TESTS_SERVER_FLAGS_H_
#define S3FILES_TESTS_SERVER_FLAGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/server/options.h"

namespace s3files::server {

extern const char kHelp[];

// The command line of s3files-server.
struct Flags {
  ServerOptions options;
  std::string faults_file;
  int latency_ms = 0;
  int64_t bandwidth = 0;
  bool help = false;
};

// Throws std::runtime_error, naming the flag, for what it does not understand.
Flags ParseFlags(const std::vector<std::string>& arguments);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_FLAGS_H_
