#ifndef S3FILES_TESTS_SERVER_CHUNK_DECODER_H_
#define S3FILES_TESTS_SERVER_CHUNK_DECODER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace s3files::server {

// Takes chunks apart: size[;extension] CRLF data CRLF, a chunk of size 0, trailer lines, an empty
// line. HTTP's Transfer-Encoding and AWS's Content-Encoding share this grammar, and nest.
class ChunkDecoder {
 public:
  struct Events {
    std::function<void(std::string_view extension)> chunk;  // one begins; size 0: the last
    std::function<void(std::string_view data)> data;        // some of its bytes
    std::function<void(std::string_view line)> trailer;
    std::function<void()> end;
  };

  explicit ChunkDecoder(Events events) : events_(std::move(events)) {}

  // Throws S3Error for what is no chunk. Bytes behind the end are ignored.
  void Feed(std::string_view bytes);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kSize, kData, kDataEnd, kTrailer, kDone };

  // Moves bytes to line_; true once it is whole, without its CRLF.
  bool TakeLine(std::string_view& bytes);
  void OnLine();
  void OnSize();

  Events events_;
  State state_ = State::kSize;
  std::string line_;
  uint64_t left_ = 0;  // of the current chunk
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_CHUNK_DECODER_H_
