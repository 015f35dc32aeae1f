#include "lib/http/http_headers.h"

#include "absl/strings/match.h"

namespace s3files {
namespace {

constexpr size_t kMostBytes = 64 << 10;
constexpr size_t kMostFields = 256;

}  // namespace

bool HttpHeaders::Add(absl::string_view name, absl::string_view value) {
  if (fields_.size() >= kMostFields || name.size() > kMostBytes || value.size() > kMostBytes ||
      text_.size() + name.size() + value.size() > kMostBytes) {
    return false;
  }
  if (fields_.empty()) {
    fields_.reserve(16);
    text_.reserve(512);
  }
  fields_.push_back({static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(name.size()),
                     static_cast<uint32_t>(value.size())});
  text_.append(name.data(), name.size());
  text_.append(value.data(), value.size());
  return true;
}

void HttpHeaders::Clear() {
  text_.clear();
  fields_.clear();
}

absl::string_view HttpHeaders::name(size_t i) const {
  return absl::string_view(text_).substr(fields_[i].begin, fields_[i].name_size);
}

absl::string_view HttpHeaders::value(size_t i) const {
  return absl::string_view(text_).substr(fields_[i].begin + fields_[i].name_size,
                                         fields_[i].value_size);
}

const HttpHeaders::Field* HttpHeaders::Find(absl::string_view name) const {
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].name_size == name.size() && absl::EqualsIgnoreCase(this->name(i), name)) {
      return &fields_[i];
    }
  }
  return nullptr;
}

absl::string_view HttpHeaders::Get(absl::string_view name) const {
  const Field* field = Find(name);
  return field == nullptr ? absl::string_view()
                          : value(static_cast<size_t>(field - fields_.data()));
}

bool HttpHeaders::Has(absl::string_view name) const { return Find(name) != nullptr; }

}  // namespace s3files
