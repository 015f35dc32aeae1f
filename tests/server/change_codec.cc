#include "tests/server/change_codec.h"

#include <cstring>
#include <type_traits>
#include <utility>

namespace s3files::server {
namespace {

class Writer {
 public:
  template <typename T>
  void Put(T value) requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void Put(const std::string& text) {
    Put(static_cast<uint32_t>(text.size()));
    bytes_.append(text);
  }
  void Put(const StringMap& map) {
    Put(static_cast<uint32_t>(map.size()));
    for (const auto& [name, value] : map) {
      Put(name);
      Put(value);
    }
  }
  void Put(const Attributes& attributes) {
    Put(attributes.headers);
    Put(attributes.tags);
  }
  void Put(const Blob& blob) {
    Put(static_cast<uint32_t>(blob.extents().size()));
    for (const Extent& extent : blob.extents()) {
      Put(extent.storage->id());
      Put(extent.offset);
      Put(extent.length);
    }
  }
  void Put(const Part& part) {
    Put(part.etag);
    Put(part.last_modified_ms);
    Put(part.body);
  }
  void Put(const ObjectVersion& version) {
    Put(version.version_id);
    Put(version.delete_marker);
    Put(version.etag);
    Put(version.last_modified_ms);
    Put(version.attributes);
    Put(version.body);
  }

  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  using FindStorage = std::function<std::shared_ptr<const Storage>(uint64_t id)>;

  Reader(std::string_view bytes, const FindStorage& find_storage)
      : bytes_(bytes), find_storage_(find_storage) {}

  template <typename T>
  void Get(T& value) requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    std::string_view raw = Take(sizeof(value));
    if (!failed_) std::memcpy(&value, raw.data(), sizeof(value));
  }
  void Get(std::string& text) {
    uint32_t size = 0;
    Get(size);
    text = Take(size);
  }
  void Get(StringMap& map) {
    uint32_t size = 0;
    for (Get(size); size > 0 && !failed_; --size) {
      std::string name;
      Get(name);
      Get(map[name]);
    }
  }
  void Get(Attributes& attributes) {
    Get(attributes.headers);
    Get(attributes.tags);
  }
  void Get(Blob& blob) {
    uint32_t size = 0;
    for (Get(size); size > 0 && !failed_; --size) {
      uint64_t id = 0;
      Extent extent{};
      Get(id);
      Get(extent.offset);
      Get(extent.length);
      if (failed_) return;
      extent.storage = find_storage_(id);
      blob.Append(std::move(extent));
    }
  }
  void Get(Part& part) {
    Get(part.etag);
    Get(part.last_modified_ms);
    Get(part.body);
  }
  void Get(ObjectVersion& version) {
    Get(version.version_id);
    Get(version.delete_marker);
    Get(version.etag);
    Get(version.last_modified_ms);
    Get(version.attributes);
    Get(version.body);
  }

  bool Complete() const { return !failed_ && bytes_.empty(); }

 private:
  std::string_view Take(size_t size) {
    if (failed_ || bytes_.size() < size) {
      failed_ = true;
      return {};
    }
    std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  const FindStorage& find_storage_;
  bool failed_ = false;
};

}  // namespace

std::string EncodeChange(const Change& change) {
  Writer writer;
  writer.Put(change.kind);
  writer.Put(change.bucket);
  writer.Put(change.key);
  writer.Put(change.id);
  writer.Put(change.time_ms);
  writer.Put(change.versioning);
  writer.Put(change.part_number);
  writer.Put(change.part);
  writer.Put(change.attributes);
  writer.Put(change.version != nullptr);
  if (change.version != nullptr) writer.Put(*change.version);
  return writer.Take();
}

std::optional<Change> DecodeChange(
    std::string_view bytes,
    const std::function<std::shared_ptr<const Storage>(uint64_t id)>& find_storage) {
  Reader reader(bytes, find_storage);
  Change change{};
  reader.Get(change.kind);
  reader.Get(change.bucket);
  reader.Get(change.key);
  reader.Get(change.id);
  reader.Get(change.time_ms);
  reader.Get(change.versioning);
  reader.Get(change.part_number);
  reader.Get(change.part);
  reader.Get(change.attributes);
  bool has_version = false;
  reader.Get(has_version);
  if (has_version) {
    auto version = std::make_shared<ObjectVersion>();
    reader.Get(*version);
    change.version = std::move(version);
  }
  if (!reader.Complete()) return std::nullopt;
  return change;
}

}  // namespace s3files::server
