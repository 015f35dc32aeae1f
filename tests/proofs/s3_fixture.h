#ifndef S3FILES_TESTS_PROOFS_S3_FIXTURE_H_
#define S3FILES_TESTS_PROOFS_S3_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "s3files/s3files.hpp"
#include "tests/server/server.h"
#include "tests/server/test_client.h"

namespace s3files::proofs {

inline constexpr char kUrl[] = "s3://bucket/prefix";
inline constexpr size_t kMiB = 1 << 20;

// `more`, with what reaches the bucket "bucket" of `server`.
options OptionsFor(const server::Server& server, options more = {});
std::unique_ptr<server::Server> StartServer(const std::string& store = "memory",
                                            const server::Behaviour& behaviour = {});

// Bytes that differ wherever offset or seed do.
std::string Pattern(size_t size, uint64_t seed = 0);
std::string ReadAll(const file_system& fs, const std::string& path);
// Writes the file and closes it.
void WriteAll(const file_system& fs, const std::string& path, const std::string& bytes);

// Tests against a server in this process.
class OnS3 : public testing::Test {
 protected:
  explicit OnS3(const server::Behaviour& behaviour = {})
      : server_(StartServer("memory", behaviour)) {}

  file_system Open(options more = {}) const { return {kUrl, OptionsFor(*server_, more)}; }
  // How a server treats the conditions that provider `generic` does not rely on.
  static server::Behaviour OnlyPuts(server::Support otherwise);
  // The requests of a kind so far, in the order of their ends.
  std::vector<server::LogEntry> Requests(const std::string& operation) const;

  // Opening gives `code` soon, with a message that has all of `words` and no secret.
  static void ExpectRefused(const std::string& url, const options& how, int code,
                            const std::vector<std::string>& words,
                            std::chrono::seconds within = std::chrono::seconds(10));

  // What the bucket holds, not seen through the library.
  size_t CountObjects() const;
  size_t CountPendingUploads() const;
  // From here on the bucket keeps every version and delete marker, which these count.
  void KeepVersions();
  size_t CountVersions() const;
  size_t CountDeleteMarkers() const;

  std::unique_ptr<server::Server> server_;
};

}  // namespace s3files::proofs

#endif  // S3FILES_TESTS_PROOFS_S3_FIXTURE_H_
