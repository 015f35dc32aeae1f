// That this thread is in a callback of the application, which a commit or rename waits for.
#ifndef S3FILES_LIB_BASE_CALLBACK_SCOPE_H_
#define S3FILES_LIB_BASE_CALLBACK_SCOPE_H_

namespace s3files {

// What another thread holds may wait for the very commit that called back, in turn: from a callback
// nothing of the kind is waited for (see WaitForOthers).
class CallbackScope {
 public:
  // `silenced`: calls on that one are not possible at all meanwhile.
  explicit CallbackScope(const void* silenced = nullptr);
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;
  ~CallbackScope();

  static bool Entered();
  static bool IsSilenced(const void* what);

 private:
  const CallbackScope* const outer_;
  const void* const silenced_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_CALLBACK_SCOPE_H_
