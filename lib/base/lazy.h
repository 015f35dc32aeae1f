// A member that most objects leave at its default: a pointer until it is changed.
#ifndef S3FILES_LIB_BASE_LAZY_H_
#define S3FILES_LIB_BASE_LAZY_H_

#include <memory>
#include <utility>

namespace s3files {

template <typename T>
class Lazy {
 public:
  Lazy() = default;

  const T& operator*() const { return value_ == nullptr ? Default() : *value_; }
  const T* operator->() const { return &**this; }

  T& Mutable() {
    if (value_ == nullptr) value_ = std::make_unique<T>();
    return *value_;
  }
  Lazy& operator=(T value) {
    Mutable() = std::move(value);
    return *this;
  }
  // Gives the value away and is at the default again.
  T Take() {
    const std::unique_ptr<T> value = std::move(value_);
    return value == nullptr ? T() : std::move(*value);
  }

 private:
  static const T& Default() {
    static const T& value = *new T();
    return value;
  }
  std::unique_ptr<T> value_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_LAZY_H_
