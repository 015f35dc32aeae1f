// The header fields of one HTTP reply: few, in arrival order, looked up without regard to case.
#ifndef S3FILES_LIB_HTTP_HTTP_HEADERS_H_
#define S3FILES_LIB_HTTP_HTTP_HEADERS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace s3files {

// Keeps everything in one buffer: a reply has a dozen fields and most are never looked at. Not
// thread-safe. Views into it live until the next Add or Clear.
class HttpHeaders {
 public:
  // False, adding nothing, where the reply would exceed 64 KiB or 256 fields: what comes from the
  // network is bounded.
  bool Add(absl::string_view name, absl::string_view value);
  void Clear();

  size_t size() const { return fields_.size(); }
  absl::string_view name(size_t i) const;
  absl::string_view value(size_t i) const;

  // The value of the first field of that name, empty where there is none.
  absl::string_view Get(absl::string_view name) const;
  bool Has(absl::string_view name) const;

 private:
  struct Field {
    uint32_t begin;
    uint32_t name_size;
    uint32_t value_size;
  };
  const Field* Find(absl::string_view name) const;

  std::string text_;
  std::vector<Field> fields_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_HTTP_HTTP_HEADERS_H_
