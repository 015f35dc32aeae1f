// The edge of the C ABI: what comes in is checked and copied, what goes out is an errno.
#ifndef S3FILES_LIB_API_C_CALL_H_
#define S3FILES_LIB_API_C_CALL_H_

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/call_context.h"
#include "lib/base/errors.h"
#include "s3files/s3files.h"

struct s3f_cancel {
  std::shared_ptr<s3files::CancelToken> token;
};

namespace s3files {

// EINVAL unless `given` (a struct that begins with struct_size) is one this version can read: known
// members are copied to `*out`, the rest must be zero.
absl::Status CopyIn(const void* given, void* out, uint32_t size);
template <typename T>
absl::Status ReadStruct(const T* given, T* out) {
  return CopyIn(given, out, sizeof(T));
}

// Writes to a caller's struct as many bytes of `value` as its struct_size has room for, and zeros
// beyond; struct_size stays. EINVAL where that is too small to be one.
absl::Status CopyOut(void* out, const void* value, uint32_t size);
template <typename T>
absl::Status WriteStruct(T* out, const T& value) {
  return CopyOut(out, &value, sizeof(T));
}

// What a call was given, and where its error goes.
class CallScope {
 public:
  explicit CallScope(const s3f_call* call);

  // OK, or why `call` cannot be used.
  const absl::Status& status() const { return status_; }
  const CallContext& context() const { return context_; }

  // 0, or the negative errno of `status`, whose detail the caller can read afterwards.
  int Finish(const absl::Status& status);

 private:
  absl::Status Read(const s3f_call* call);

  absl::Status status_;
  CallContext context_;
  s3f_error* error_ = nullptr;
};

// The calling thread's last error that no call->error took.
const s3f_error& LastError();

// Copies `text` into a fixed array, cut at a character's end where it does not fit.
void CopyText(absl::string_view text, char* out, size_t size);

// Runs `body(context)`, which returns a Status or a StatusOr<int64_t>; no exception crosses.
template <typename Body>
int64_t RunCall(const s3f_call* call, Body body) {
  CallScope scope(call);
  if (!scope.status().ok()) return scope.Finish(scope.status());
  try {
    if constexpr (std::is_same_v<decltype(body(scope.context())), absl::Status>) {
      return scope.Finish(body(scope.context()));
    } else {
      absl::StatusOr<int64_t> result = body(scope.context());
      return result.ok() ? *result : scope.Finish(result.status());
    }
  } catch (const std::bad_alloc&) {
    return scope.Finish(Error(ENOMEM, "out of memory"));
  } catch (const std::exception& e) {
    return scope.Finish(Error(EIO, e.what()));
  }
}

}  // namespace s3files

#endif  // S3FILES_LIB_API_C_CALL_H_
