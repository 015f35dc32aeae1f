// Makes ThreadSanitizer see absl::Mutex, absl::CondVar and the references to an absl::Status.
//
// Debian's Abseil is not built for TSan, which would therefore take whatever a mutex guards for a
// race. An executable's definitions come before those of a shared library: the ones below announce
// to TSan what happens and call the library's. Between a pre_ and its post_ TSan ignores the
// thread, so the conditions that Abseil evaluates on behalf of waiters do no harm.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>

#include "absl/base/config.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

#define S3FILES_STRING_OF(x) #x
#define S3FILES_STRING(x) S3FILES_STRING_OF(x)

namespace absl {
ABSL_NAMESPACE_BEGIN
namespace {

// Abseil's functions call one another through these definitions: only the outermost announces.
thread_local int depth = 0;

// The shared library's function of this mangled name, less the namespaces it begins with.
template <typename Function>
Function* Real(const char* name) {
  const std::string version = S3FILES_STRING(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  const std::string mangled = "_ZN4absl" + std::to_string(version.size()) + version + name;
  void* symbol = dlsym(RTLD_NEXT, mangled.c_str());
  if (symbol == nullptr) std::abort();
  return reinterpret_cast<Function*>(symbol);
}

// While one lives, the thread is locking `mutex`.
class Locking {
 public:
  explicit Locking(Mutex* mutex, unsigned flags = 0) : mutex_(mutex), flags_(flags) {
    if (depth++ == 0) __tsan_mutex_pre_lock(mutex_, flags_);
  }
  ~Locking() {
    if (--depth == 0) __tsan_mutex_post_lock(mutex_, flags_, 0);
  }
  // The outcome of a try.
  bool Locked(bool locked) {
    if (!locked) flags_ |= __tsan_mutex_try_lock_failed;
    return locked;
  }

 private:
  Mutex* const mutex_;
  unsigned flags_;
};

// While one lives, the thread is unlocking `mutex`.
class Unlocking {
 public:
  explicit Unlocking(Mutex* mutex, unsigned flags = 0) : mutex_(mutex), flags_(flags) {
    if (depth++ == 0) __tsan_mutex_pre_unlock(mutex_, flags_);
  }
  ~Unlocking() {
    if (--depth == 0) __tsan_mutex_post_unlock(mutex_, flags_);
  }

 private:
  Mutex* const mutex_;
  const unsigned flags_;
};

// A wait gives the mutex away and takes it again.
class Waiting {
 public:
  explicit Waiting(Mutex* mutex) {
    { const Unlocking unlocking(mutex); }
    locking_.emplace(mutex);
  }

 private:
  std::optional<Locking> locking_;
};

}  // namespace

Mutex::~Mutex() {
  static auto* const real = Real<void(Mutex*)>("5MutexD1Ev");
  __tsan_mutex_destroy(this, __tsan_mutex_not_static);
  real(this);
}

void Mutex::Lock() {
  static auto* const real = Real<void(Mutex*)>("5Mutex4LockEv");
  const Locking locking(this);
  real(this);
}

bool Mutex::TryLock() {
  static auto* const real = Real<bool(Mutex*)>("5Mutex7TryLockEv");
  Locking locking(this, __tsan_mutex_try_lock);
  return locking.Locked(real(this));
}

void Mutex::Unlock() {
  static auto* const real = Real<void(Mutex*)>("5Mutex6UnlockEv");
  const Unlocking unlocking(this);
  real(this);
}

void Mutex::ReaderLock() {
  static auto* const real = Real<void(Mutex*)>("5Mutex10ReaderLockEv");
  const Locking locking(this, __tsan_mutex_read_lock);
  real(this);
}

bool Mutex::ReaderTryLock() {
  static auto* const real = Real<bool(Mutex*)>("5Mutex13ReaderTryLockEv");
  Locking locking(this, __tsan_mutex_try_read_lock);
  return locking.Locked(real(this));
}

void Mutex::ReaderUnlock() {
  static auto* const real = Real<void(Mutex*)>("5Mutex12ReaderUnlockEv");
  const Unlocking unlocking(this, __tsan_mutex_read_lock);
  real(this);
}

void Mutex::LockWhen(const Condition& condition) {
  static auto* const real =
      Real<void(Mutex*, const Condition&)>("5Mutex8LockWhenERKNS0_9ConditionE");
  const Locking locking(this);
  real(this, condition);
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const real = Real<bool(Mutex*, const Condition&, Duration)>(
      "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  const Locking locking(this);
  return real(this, condition, timeout);
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const real = Real<bool(Mutex*, const Condition&, Time)>(
      "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  const Locking locking(this);
  return real(this, condition, deadline);
}

void Mutex::Await(const Condition& condition) {
  static auto* const real = Real<void(Mutex*, const Condition&)>("5Mutex5AwaitERKNS0_9ConditionE");
  const Waiting waiting(this);
  real(this, condition);
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const real = Real<bool(Mutex*, const Condition&, Duration)>(
      "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  const Waiting waiting(this);
  return real(this, condition, timeout);
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static auto* const real = Real<bool(Mutex*, const Condition&, Time)>(
      "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  const Waiting waiting(this);
  return real(this, condition, deadline);
}

void CondVar::Wait(Mutex* mutex) {
  static auto* const real = Real<void(CondVar*, Mutex*)>("7CondVar4WaitEPNS0_5MutexE");
  const Waiting waiting(mutex);
  real(this, mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const real = Real<bool(CondVar*, Mutex*, Duration)>(
      "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  const Waiting waiting(mutex);
  return real(this, mutex, timeout);
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const real =
      Real<bool(CondVar*, Mutex*, Time)>("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  const Waiting waiting(mutex);
  return real(this, mutex, deadline);
}

// The last reference's owner frees what the others have read: they must be seen to come before. Of
// which one is the last only the library knows, so that all come one after another.
void Status::UnrefNonInlined(uintptr_t rep) {
  static auto* const real = Real<void(uintptr_t)>("6Status15UnrefNonInlinedEm");
  static std::array<std::mutex, 61> in_turn;
  std::lock_guard<std::mutex> lock(in_turn[rep / alignof(std::max_align_t) % in_turn.size()]);
  real(rep);
}

ABSL_NAMESPACE_END
}  // namespace absl
