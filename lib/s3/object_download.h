// One object's bytes, whole or a range, of one version, however often the connection breaks.
#ifndef S3FILES_LIB_S3_OBJECT_DOWNLOAD_H_
#define S3FILES_LIB_S3_OBJECT_DOWNLOAD_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/base/byte_range.h"
#include "lib/base/bytes.h"
#include "lib/base/call_context.h"
#include "lib/s3/s3_sender.h"
#include "lib/store/object_store.h"

namespace s3files {

struct GetObjectRequest {
  absl::string_view key;
  absl::string_view version_id;    // empty = the newest
  absl::string_view if_match;      // an ETag without quotes; empty = whatever is there
  std::optional<ByteRange> range;  // not empty
};

// Used once. Resumes at the byte reached, under If-Match of the version that the first reply named,
// or from the start where it named none; ends with ESTALE where that version is gone.
class ObjectDownload {
 public:
  ObjectDownload(S3Sender* sender, const GetObjectRequest& request, ByteSink& sink)
      : sender_(sender), request_(request), sink_(sink) {}

  S3Reply Run(const CallContext& call);
  const ObjectInfo& info() const { return info_; }  // after success

 private:
  // Puts an attempt's bytes behind those received before.
  class Continuation final : public ByteSink {
   public:
    Continuation(ByteSink& sink, uint64_t start) : sink_(sink), start_(start) {}
    absl::Status Write(uint64_t offset, absl::Span<const char> bytes) override;
    uint64_t received() const { return received_; }

   private:
    ByteSink& sink_;
    const uint64_t start_;
    uint64_t received_ = 0;
  };

  Verdict Attempt(const CallContext& call, S3Reply& reply);
  // Checks that the reply's bytes are the ones asked for. Runs on the transport's thread.
  absl::Status OnHeaders(const HttpResponse& response);
  uint64_t begin() const { return request_.range.has_value() ? request_.range->begin : 0; }
  bool complete() const { return begun_ && done_ == expected_; }

  S3Sender* const sender_;
  const GetObjectRequest request_;
  ByteSink& sink_;
  ObjectInfo info_;
  bool begun_ = false;     // info_ and expected_ are known
  uint64_t expected_ = 0;  // bytes in all
  uint64_t done_ = 0;      // bytes received
};

}  // namespace s3files

#endif  // S3FILES_LIB_S3_OBJECT_DOWNLOAD_H_
