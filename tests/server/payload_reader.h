#ifndef S3FILES_TESTS_SERVER_PAYLOAD_READER_H_
#define S3FILES_TESTS_SERVER_PAYLOAD_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tests/server/authenticator.h"
#include "tests/server/blob.h"
#include "tests/server/chunk_decoder.h"
#include "tests/server/hash.h"
#include "tests/server/request.h"

namespace s3files::server {

// What a request's head says of the body that follows.
struct PayloadSpec {
  bool http_chunked = false;
  uint64_t wire_length = 0;  // Content-Length; unknown with http_chunked
  bool aws_chunked = false;
  bool signed_chunks = false;
  uint64_t length = 0;  // of the payload, decoded
  std::string sha256;   // expected, in hex; empty: not checked
  std::string md5;      // expected, raw; empty: not checked
};

// Only how long the body is on the wire: enough to skip it. Throws nothing.
PayloadSpec DescribeWire(const Request& request);
// All of it. Throws S3Error where the head makes no sense.
PayloadSpec DescribePayload(const Request& request, const Authentication& authentication);

// Receives a body: takes the bytes as they come from the socket, undoes chunking, hashes and
// verifies, and hands the payload to a BodyWriter. A plain body is received straight into the
// writer's space.
class PayloadReader {
 public:
  // Skips a body.
  explicit PayloadReader(const PayloadSpec& spec);
  // `md5`: compute the payload's MD5 for its ETag.
  PayloadReader(const PayloadSpec& spec, const Authentication& authentication,
                std::unique_ptr<BodyWriter> writer, bool md5);
  PayloadReader(const PayloadReader&) = delete;
  PayloadReader& operator=(const PayloadReader&) = delete;

  bool Done() const;
  // There will be no body after all.
  void Abandon() { abandoned_ = true; }
  // Where the socket's next bytes go. Not empty until Done.
  std::span<char> Space();
  // `count` bytes have been put into Space(). Throws S3Error where the chunking is broken: what
  // follows on the connection is then meaningless.
  void Received(size_t count);

  struct Payload {
    Blob body;
    std::string md5;  // raw; empty if not asked for
  };
  // Once Done. Throws the S3Error of a failed check.
  Payload Finish();

 private:
  void TakeWire(std::string_view bytes);     // below HTTP's chunking
  void TakePayload(std::string_view bytes);  // below AWS's
  void Hash(std::string_view bytes);
  void BeginChunk(std::string_view extension);
  void EndChunk();
  void TakeTrailer(std::string_view line);
  void EndTrailer();
  bool Direct() const;

  PayloadSpec spec_;
  Authentication authentication_;  // its signature moves on with the chunks
  std::unique_ptr<BodyWriter> writer_;
  std::unique_ptr<char[]> scratch_;
  bool abandoned_ = false;
  uint64_t wire_left_;
  uint64_t payload_left_;
  ChunkDecoder http_decoder_;
  ChunkDecoder aws_decoder_;
  std::optional<Hasher> md5_;
  std::optional<Hasher> sha256_;  // of the payload, or of the current signed chunk
  std::string chunk_signature_;   // claimed for the current chunk; empty before the first
  std::string trailer_;           // canonical, all but its own signature
  std::string trailer_signature_;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_PAYLOAD_READER_H_
