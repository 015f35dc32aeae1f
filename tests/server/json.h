#ifndef S3FILES_TESTS_SERVER_JSON_H_
#define S3FILES_TESTS_SERVER_JSON_H_

#include <string>
#include <vector>

#include "tests/server/access_log.h"
#include "tests/server/fault.h"

namespace s3files::server {

// The JSON of the admin interface and of --faults files. Members are named like the fields.

// Throws std::runtime_error, naming what is wrong. An unknown member is wrong.
std::vector<Fault> FaultsFromJson(const std::string& json);

struct LinkSettings {
  int latency_ms = 0;
  int64_t bandwidth = 0;
};
LinkSettings LinkFromJson(const std::string& json);

std::string ToJson(const std::vector<LogEntry>& entries);
std::string ToJson(const Stats& stats);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_JSON_H_
