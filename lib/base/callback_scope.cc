#include "lib/base/callback_scope.h"

namespace s3files {
namespace {

thread_local const CallbackScope* innermost = nullptr;

}  // namespace

CallbackScope::CallbackScope(const void* silenced) : outer_(innermost), silenced_(silenced) {
  innermost = this;
}

CallbackScope::~CallbackScope() { innermost = outer_; }

bool CallbackScope::Entered() { return innermost != nullptr; }

bool CallbackScope::IsSilenced(const void* what) {
  for (const CallbackScope* scope = innermost; scope != nullptr; scope = scope->outer_) {
    if (scope->silenced_ == what) return true;
  }
  return false;
}

}  // namespace s3files
