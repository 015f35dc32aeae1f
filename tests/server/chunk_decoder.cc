#include "tests/server/chunk_decoder.h"

#include <algorithm>
#include <charconv>

#include "tests/server/s3_error.h"

namespace s3files::server {
namespace {

constexpr size_t kMaxLine = 16 * 1024;

}  // namespace

void ChunkDecoder::Feed(std::string_view bytes) {
  while (!bytes.empty() && !done()) {
    if (state_ == State::kData) {
      std::string_view data = bytes.substr(0, std::min<uint64_t>(left_, bytes.size()));
      events_.data(data);
      bytes.remove_prefix(data.size());
      left_ -= data.size();
      if (left_ == 0) state_ = State::kDataEnd;
    } else if (TakeLine(bytes)) {
      OnLine();
      line_.clear();
    }
  }
}

bool ChunkDecoder::TakeLine(std::string_view& bytes) {
  size_t end = bytes.find('\n');
  line_ += bytes.substr(0, end);
  if (line_.size() > kMaxLine) throw S3Error("InvalidRequest", "Chunk header too long");
  bytes.remove_prefix(end == bytes.npos ? bytes.size() : end + 1);
  if (end == std::string_view::npos) return false;
  if (line_.ends_with('\r')) line_.pop_back();
  return true;
}

void ChunkDecoder::OnLine() {
  switch (state_) {
    case State::kSize:
      return OnSize();
    case State::kDataEnd:
      if (!line_.empty()) throw S3Error("InvalidRequest", "Chunk longer than its size");
      state_ = State::kSize;
      return;
    case State::kTrailer:
      if (!line_.empty()) return events_.trailer(line_);
      state_ = State::kDone;
      return events_.end();
    case State::kData:
    case State::kDone:
      return;
  }
}

void ChunkDecoder::OnSize() {
  size_t size_end = std::min(line_.find(';'), line_.size());
  auto [end, error] = std::from_chars(line_.data(), line_.data() + size_end, left_, 16);
  if (error != std::errc() || end != line_.data() + size_end) {
    throw S3Error("InvalidRequest", "Bad chunk size");
  }
  events_.chunk(std::string_view(line_).substr(std::min(size_end + 1, line_.size())));
  state_ = left_ > 0 ? State::kData : State::kTrailer;
}

}  // namespace s3files::server
