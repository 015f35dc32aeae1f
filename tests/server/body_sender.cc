#include "tests/server/body_sender.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace s3files::server {

BodySender::BodySender(int socket, std::string head, Blob body)
    : socket_(socket), head_(std::move(head)), body_(std::move(body)) {}

BodySender::~BodySender() {
  if (file_ >= 0) ::close(file_);
}

BodySender::Result BodySender::Send(uint64_t limit) {
  int64_t count = head_sent() && InFile() ? SendFile(limit) : SendMemory(limit);
  if (count < 0 && errno == EINTR) return Result::kProgress;
  if (count < 0) return errno == EAGAIN ? Result::kWouldBlock : Result::kFailed;
  Advance(static_cast<uint64_t>(count));
  return Result::kProgress;
}

bool BodySender::InFile() const {
  return extent_ < body_.extents().size() && body_.extents()[extent_].storage->data() == nullptr;
}

int64_t BodySender::SendMemory(uint64_t limit) {
  std::array<iovec, 16> pieces;
  size_t count = 0;
  auto add = [&](const char* data, uint64_t size) {
    pieces[count++] = {const_cast<char*>(data), size};
  };
  if (!head_sent()) add(head_.data() + head_sent_, head_.size() - head_sent_);

  uint64_t skip = extent_sent_;
  size_t next = extent_;
  for (; next < body_.extents().size() && limit > 0 && count < pieces.size(); ++next) {
    const Extent& extent = body_.extents()[next];
    if (extent.storage->data() == nullptr) break;
    uint64_t size = std::min(limit, extent.length - skip);
    add(extent.storage->data() + extent.offset + skip, size);
    limit -= size;
    skip = 0;
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = count;
  // The head waits for the file's first bytes, unless there will be none.
  bool more = limit > 0 && next < body_.extents().size();
  return ::sendmsg(socket_, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

int64_t BodySender::SendFile(uint64_t limit) {
  const Extent& extent = body_.extents()[extent_];
  if (file_ < 0) file_ = extent.storage->OpenFile();
  off_t offset = static_cast<off_t>(extent.offset + extent_sent_);
  int64_t count =
      ::sendfile(socket_, file_, &offset, std::min(limit, extent.length - extent_sent_));
  if (count == 0) errno = EIO;  // the file is shorter than it was
  return count == 0 ? -1 : count;
}

void BodySender::Advance(uint64_t count) {
  uint64_t of_head = std::min<uint64_t>(count, head_.size() - head_sent_);
  head_sent_ += of_head;
  count -= of_head;
  sent_ += count;
  while (count > 0) {
    uint64_t of_extent = std::min(count, body_.extents()[extent_].length - extent_sent_);
    extent_sent_ += of_extent;
    count -= of_extent;
    if (extent_sent_ < body_.extents()[extent_].length) continue;
    ++extent_;
    extent_sent_ = 0;
    if (file_ >= 0) ::close(std::exchange(file_, -1));
  }
}

}  // namespace s3files::server
