#include "lib/s3/object_download.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/s3/object_headers.h"

namespace s3files {
namespace {

// Less than this is not progress that starts the retries over.
constexpr uint64_t kProgress = 64 << 10;

}  // namespace

absl::Status ObjectDownload::Continuation::Write(uint64_t offset, absl::Span<const char> bytes) {
  S3FILES_RETURN_IF_ERROR(sink_.Write(start_ + offset, bytes));
  received_ = offset + bytes.size();
  return absl::OkStatus();
}

S3Reply ObjectDownload::Run(const CallContext& call) {
  S3Reply reply;
  Retrier retrier(sender_->retry(), sender_->clock());
  while (true) {
    const uint64_t before = done_;
    const Verdict verdict = Attempt(call, reply);
    if (complete() && verdict != Verdict::kFinal) {  // a break after the last byte does no harm
      reply.status = absl::OkStatus();
      return reply;
    }
    if (verdict == Verdict::kFinal) break;
    if (done_ - before >= kProgress) retrier.NoteProgress();
    if (done_ == 0 || !info_.stamp.version.known()) {  // nothing to resume, or to resume under
      begun_ = false;
      done_ = 0;
    }
    if (!sender_->WaitForNext(call, verdict, retrier, reply)) break;
  }
  sender_->CountFailure();
  const int status = reply.http.status;
  if (begun_ && done_ > 0 && (status == 404 || status == 412 || status == 416)) {
    reply.status = Error(ESTALE,
                         absl::StrCat("s3://", sender_->endpoint().bucket(), "/", request_.key,
                                      " was replaced while it was read"),
                         ReplyOf(reply.status));
  }
  return reply;
}

Verdict ObjectDownload::Attempt(const CallContext& call, S3Reply& reply) {
  Continuation continuation(sink_, done_);
  S3Request http;
  http.operation = S3Operation::kGet;
  http.method = "GET";
  http.key = request_.key;
  http.sink = &continuation;
  http.on_headers = [this](const HttpResponse& response) { return OnHeaders(response); };
  if (!request_.version_id.empty()) {
    http.query.emplace_back("versionId", std::string(request_.version_id));
  }
  if (request_.range.has_value() || done_ > 0) {
    const uint64_t end =
        request_.range.has_value() ? request_.range->end : std::numeric_limits<uint64_t>::max();
    http.headers.emplace_back("Range", RangeHeader(begin() + done_, end));
  }
  const absl::string_view etag =
      begun_ ? absl::string_view(info_.stamp.version.etag()) : request_.if_match;
  if (!etag.empty()) http.headers.emplace_back("If-Match", absl::StrCat("\"", etag, "\""));

  const Verdict verdict = sender_->Attempt(call, http, reply);
  done_ += continuation.received();
  if (verdict != Verdict::kDone || complete()) return verdict;
  reply.status = Error(EIO, absl::StrCat("GET of ", request_.key, ": the store sent ", done_,
                                         " of ", expected_, " bytes"));
  return Verdict::kRetryUnknown;
}

absl::Status ObjectDownload::OnHeaders(const HttpResponse& response) {
  const uint64_t wanted_end =
      request_.range.has_value() ? request_.range->end : std::numeric_limits<uint64_t>::max();
  ContentRange content;
  if (response.status == 206) {
    S3FILES_ASSIGN_OR_RETURN(content, ContentRangeOf(response.headers));
  } else {
    S3FILES_ASSIGN_OR_RETURN(content.total, ContentLengthOf(response.headers));
    content.range = {0, content.total};
  }
  if (content.range.begin != begin() + done_ ||
      content.range.end != std::min(wanted_end, content.total)) {
    return Error(EIO, "the store sent other bytes than the range asked for");
  }
  S3FILES_ASSIGN_OR_RETURN(ObjectInfo info, InfoOf(response.headers));
  info.size = content.total;
  if (begun_) {
    if (info.stamp.version == info_.stamp.version && info.size == info_.size) {
      return absl::OkStatus();
    }
    return Error(ESTALE, "the object was replaced while it was read");
  }
  info_ = std::move(info);
  expected_ = content.range.size();
  begun_ = true;
  return absl::OkStatus();
}

}  // namespace s3files
