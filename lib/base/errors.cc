#include "lib/base/errors.h"

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace s3files {
namespace {

constexpr char kErrnoPayload[] = "s3files/errno";
constexpr char kReplyPayload[] = "s3files/reply";

struct Row {
  absl::StatusCode code;
  int error;
};

// A code's first row is the errno it stands for when a Status was not made by Error().
constexpr Row kTable[] = {
    {absl::StatusCode::kCancelled, ECANCELED},
    {absl::StatusCode::kUnknown, EIO},
    {absl::StatusCode::kInvalidArgument, EINVAL},
    {absl::StatusCode::kInvalidArgument, ENAMETOOLONG},
    {absl::StatusCode::kInvalidArgument, EILSEQ},
    {absl::StatusCode::kInvalidArgument, ELOOP},
    {absl::StatusCode::kInvalidArgument, EBADF},
    {absl::StatusCode::kInvalidArgument, EFAULT},
    {absl::StatusCode::kDeadlineExceeded, ETIMEDOUT},
    {absl::StatusCode::kNotFound, ENOENT},
    {absl::StatusCode::kNotFound, ENODATA},
    {absl::StatusCode::kNotFound, ENODEV},
    {absl::StatusCode::kNotFound, ENXIO},
    {absl::StatusCode::kAlreadyExists, EEXIST},
    {absl::StatusCode::kPermissionDenied, EACCES},
    {absl::StatusCode::kPermissionDenied, EPERM},
    {absl::StatusCode::kPermissionDenied, EROFS},
    {absl::StatusCode::kResourceExhausted, ENOSPC},
    {absl::StatusCode::kResourceExhausted, EDQUOT},
    {absl::StatusCode::kResourceExhausted, EMFILE},
    {absl::StatusCode::kResourceExhausted, ENFILE},
    {absl::StatusCode::kResourceExhausted, ENOMEM},
    {absl::StatusCode::kResourceExhausted, ENOBUFS},
    {absl::StatusCode::kFailedPrecondition, EBUSY},
    {absl::StatusCode::kFailedPrecondition, EISDIR},
    {absl::StatusCode::kFailedPrecondition, ENOTDIR},
    {absl::StatusCode::kFailedPrecondition, ENOTEMPTY},
    {absl::StatusCode::kFailedPrecondition, EXDEV},
    {absl::StatusCode::kAborted, ESTALE},
    {absl::StatusCode::kOutOfRange, ERANGE},
    {absl::StatusCode::kOutOfRange, EFBIG},
    {absl::StatusCode::kOutOfRange, EOVERFLOW},
    {absl::StatusCode::kUnimplemented, ENOSYS},
    {absl::StatusCode::kUnimplemented, EOPNOTSUPP},
    {absl::StatusCode::kInternal, EIO},
    {absl::StatusCode::kUnavailable, EAGAIN},
    {absl::StatusCode::kUnavailable, ECONNREFUSED},
    {absl::StatusCode::kUnavailable, ECONNRESET},
    {absl::StatusCode::kUnavailable, EHOSTUNREACH},
    {absl::StatusCode::kUnavailable, ENETDOWN},
    {absl::StatusCode::kUnavailable, ENETUNREACH},
    {absl::StatusCode::kUnavailable, EPIPE},
    {absl::StatusCode::kDataLoss, EIO},
    {absl::StatusCode::kUnauthenticated, EACCES},
};

absl::StatusCode CodeOf(int error) {
  for (const Row& row : kTable) {
    if (row.error == error) return row.code;
  }
  return absl::StatusCode::kUnknown;
}

// The fields come from the network, and a NUL separates them.
std::string WithoutNul(absl::string_view field) {
  return std::string(field.substr(0, field.find('\0')));
}

}  // namespace

absl::Status Error(int error, absl::string_view message) {
  if (error <= 0) error = EIO;  // a failure never turns into success on its way up
  absl::Status status(CodeOf(error), message);
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error)));
  return status;
}

absl::Status Error(int error, absl::string_view message, const StoreReply& reply) {
  absl::Status status = Error(error, message);
  std::string text = absl::StrCat(reply.http_status);
  text.push_back('\0');
  text += WithoutNul(reply.s3_code);
  text.push_back('\0');
  text += WithoutNul(reply.request_id);
  status.SetPayload(kReplyPayload, absl::Cord(std::move(text)));
  return status;
}

int ErrnoOf(const absl::Status& status) {
  if (status.ok()) return 0;
  const auto payload = status.GetPayload(kErrnoPayload);
  int error = 0;
  if (payload.has_value() && absl::SimpleAtoi(std::string(*payload), &error)) return error;
  for (const Row& row : kTable) {
    if (row.code == status.code()) return row.error;
  }
  return EIO;
}

StoreReply ReplyOf(const absl::Status& status) {
  StoreReply reply;
  const auto payload = status.GetPayload(kReplyPayload);
  if (!payload.has_value()) return reply;
  const std::string text(*payload);
  const std::vector<std::string> fields = absl::StrSplit(text, '\0');
  if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &reply.http_status)) return StoreReply();
  reply.s3_code = fields[1];
  reply.request_id = fields[2];
  return reply;
}

absl::Status Annotate(const absl::Status& status, absl::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(prefix, ": ", status.message()));
  status.ForEachPayload([&annotated](absl::string_view type, const absl::Cord& payload) {
    annotated.SetPayload(type, payload);
  });
  return annotated;
}

}  // namespace s3files
