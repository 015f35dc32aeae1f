#include "lib/api/c_call.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"

namespace s3files {
namespace {

constexpr uint32_t kMostGroups = 65536;

thread_local s3f_error last_error = {};

void Describe(const absl::Status& status, s3f_error* error) {
  const StoreReply reply = ReplyOf(status);
  s3f_error filled = {};
  filled.code = ErrnoOf(status);
  filled.http_status = reply.http_status;
  CopyText(reply.s3_code, filled.s3_code, sizeof(filled.s3_code));
  CopyText(reply.request_id, filled.request_id, sizeof(filled.request_id));
  const absl::string_view message = status.message();
  CopyText(message.empty() ? strerror(filled.code) : message, filled.message,
           sizeof(filled.message));
  CopyOut(error, &filled, sizeof(filled)).IgnoreError();
}

}  // namespace

const s3f_error& LastError() { return last_error; }

void CopyText(absl::string_view text, char* out, size_t size) {
  size_t n = std::min(text.size(), size - 1);
  // Not in the middle of a UTF-8 sequence.
  while (n > 0 && n < text.size() && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) --n;
  if (n > 0) std::memcpy(out, text.data(), n);  // an empty view may have no data
  std::memset(out + n, 0, size - n);
}

absl::Status CopyIn(const void* given, void* out, uint32_t size) {
  uint32_t given_size;
  std::memcpy(&given_size, given, sizeof(given_size));
  if (given_size < sizeof(given_size)) {
    return Error(EINVAL, "struct_size is not set; begin with S3F_INIT");
  }
  const char* bytes = static_cast<const char*>(given);
  for (uint32_t i = size; i < given_size; ++i) {
    if (bytes[i] != 0) {
      return Error(EINVAL, "a struct has members that this version of the library does not know");
    }
  }
  std::memset(out, 0, size);
  std::memcpy(out, given, std::min(size, given_size));
  return absl::OkStatus();
}

absl::Status CopyOut(void* out, const void* value, uint32_t size) {
  uint32_t room;
  std::memcpy(&room, out, sizeof(room));
  if (room < sizeof(room)) return Error(EINVAL, "struct_size is not set; begin with S3F_INIT");
  char* bytes = static_cast<char*>(out);
  const uint32_t known = std::min(size, room);
  std::memcpy(bytes + sizeof(room), static_cast<const char*>(value) + sizeof(room),
              known - sizeof(room));
  std::memset(bytes + known, 0, room - known);
  return absl::OkStatus();
}

CallScope::CallScope(const s3f_call* call) {
  if (call != nullptr) status_ = Read(call);
}

absl::Status CallScope::Read(const s3f_call* given) {
  s3f_call call;
  S3FILES_RETURN_IF_ERROR(ReadStruct(given, &call));
  if (call.error != nullptr && call.error->struct_size < sizeof(uint32_t)) {
    return Error(EINVAL, "call->error has no struct_size; begin with S3F_INIT");
  }
  error_ = call.error;
  if ((call.flags & ~(S3F_CALL_IDENTITY | S3F_CALL_UMASK)) != 0) {
    return Error(EINVAL, "call->flags has an unknown flag");
  }
  if (call.deadline_ns > INT64_MAX) return Error(EINVAL, "call->deadline_ns is out of range");
  context_.deadline_ns = static_cast<int64_t>(call.deadline_ns);
  if (call.cancel != nullptr) context_.cancel = call.cancel->token;
  if ((call.flags & S3F_CALL_UMASK) != 0) context_.umask = call.umask & 0777;
  if ((call.flags & S3F_CALL_IDENTITY) != 0) {
    if (call.group_count > kMostGroups || (call.group_count > 0 && call.groups == nullptr)) {
      return Error(EINVAL,
                   absl::StrCat("call->groups must hold group_count ids, at most ", kMostGroups));
    }
    Identity identity{call.uid, call.gid, {}};
    if (call.group_count > 0) {
      identity.groups.assign(call.groups, call.groups + call.group_count);
    }
    context_.identity = std::move(identity);
  }
  return absl::OkStatus();
}

int CallScope::Finish(const absl::Status& status) {
  if (status.ok()) return 0;
  if (error_ != nullptr) {
    Describe(status, error_);
  } else {
    last_error.struct_size = sizeof(last_error);
    Describe(status, &last_error);
  }
  return -ErrnoOf(status);
}

}  // namespace s3files
