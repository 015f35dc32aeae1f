#ifndef S3FILES_TESTS_SERVER_BODY_SENDER_H_
#define S3FILES_TESTS_SERVER_BODY_SENDER_H_

#include <cstdint>
#include <string>

#include "tests/server/blob.h"

namespace s3files::server {

// Writes a reply, head and body, to a non-blocking socket, as much as it takes at a time: memory
// by sendmsg(2), files by sendfile(2), so that no byte is copied in user space.
class BodySender {
 public:
  BodySender(int socket, std::string head, Blob body);
  ~BodySender();
  BodySender(const BodySender&) = delete;
  BodySender& operator=(const BodySender&) = delete;

  // Bytes of the body sent so far.
  uint64_t sent() const { return sent_; }
  bool head_sent() const { return head_sent_ == head_.size(); }

  enum class Result { kProgress, kWouldBlock, kFailed };
  // Sends what is left of the head and at most `limit` bytes of the body.
  Result Send(uint64_t limit);

 private:
  bool InFile() const;  // the next byte of the body is in a file
  int64_t SendMemory(uint64_t limit);
  int64_t SendFile(uint64_t limit);
  void Advance(uint64_t count);

  const int socket_;
  const std::string head_;
  const Blob body_;
  size_t head_sent_ = 0;
  uint64_t sent_ = 0;
  size_t extent_ = 0;  // the one being sent
  uint64_t extent_sent_ = 0;
  int file_ = -1;  // of the current extent
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_BODY_SENDER_H_
