// What every ObjectStore must do, by its header. A store joins with one line in a file of its own:
//
//   INSTANTIATE_TEST_SUITE_P(Mine, StoreConformance,
//                            testing::Values(StoreCase{"Mine", [] { return MakeMine(); }}),
//                            StoreCaseName);
//
// linked with store_conformance.cc and store_conformance_multipart.cc. What a store need not honour
// is taken from its capabilities(). Tests work below a prefix of their own, so stores may share a
// bucket; parts are of capabilities().smallest_part bytes.
#ifndef S3FILES_TESTS_STORE_STORE_CONFORMANCE_H_
#define S3FILES_TESTS_STORE_STORE_CONFORMANCE_H_

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/store/object_store.h"

namespace s3files {

struct StoreCase {
  std::string name;
  std::function<std::shared_ptr<ObjectStore>()> make;
};

inline std::string StoreCaseName(const testing::TestParamInfo<StoreCase>& info) {
  return info.param.name;
}

inline std::ostream& operator<<(std::ostream& out, const StoreCase& store) {
  return out << store.name;
}

class StoreConformance : public testing::TestWithParam<StoreCase> {
 protected:
  void SetUp() override {
    store_ = GetParam().make();
    ASSERT_NE(store_, nullptr);
    prefix_ = "conformance-" + RandomId().substr(0, 12) + "/";
  }

  const Capabilities& can() const { return store_->capabilities(); }
  std::string Key(absl::string_view name) const { return prefix_ + std::string(name); }

  absl::StatusOr<Stamp> Put(absl::string_view name, absl::string_view bytes,
                            const Precondition& precondition = Precondition::None()) {
    PutRequest request;
    request.key = Key(name);
    request.precondition = precondition;
    MemorySource body(bytes);
    return store_->Put(call_, request, body);
  }
  // The bytes of the object, or the error as text: what a test compares.
  std::string Read(absl::string_view name) {
    StringSink sink(uint64_t{1} << 30);
    GetRequest request;
    request.key = Key(name);
    const auto info = store_->Get(call_, request, sink);
    if (!info.ok()) return "error " + std::to_string(ErrnoOf(info.status()));
    EXPECT_EQ(info->size, sink.bytes().size());
    return std::move(sink.bytes());
  }
  bool Exists(absl::string_view name) { return store_->Head(call_, Key(name)).ok(); }
  Version VersionOf(absl::string_view name) {
    const auto info = store_->Head(call_, Key(name));
    return info.ok() ? info->stamp.version : Version::Absent();
  }
  static Precondition Create() { return Precondition::Is(Version::Absent()); }
  static Precondition Wrong() {
    return Precondition::Is(Version::Of("\"00000000000000000000000000000bad\""));
  }

  // Names (without the tests' prefix) of all pages: prefixes and objects, in the order pages came.
  struct Listing {
    std::vector<std::string> objects, prefixes;
    int pages = 0;
    friend bool operator==(const Listing& a, const Listing& b) {
      return a.objects == b.objects && a.prefixes == b.prefixes;
    }
  };
  Listing ListAll(ListRequest request) {
    Listing all;
    request.prefix = Key(request.prefix);
    if (!request.start_after.empty()) request.start_after = Key(request.start_after);
    do {
      const auto page = store_->List(call_, request);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      EXPECT_LE(page->objects.size() + page->prefixes.size(), request.max_keys);
      for (const auto& object : page->objects) {
        all.objects.push_back(object.key.substr(prefix_.size()));
      }
      for (const auto& prefix : page->prefixes) {
        all.prefixes.push_back(prefix.substr(prefix_.size()));
      }
      request.token = page->next_token;
      ++all.pages;
    } while (!request.token.empty() && all.pages < 5000);
    return all;
  }

  // `size` bytes that differ from their neighbours and by `seed`.
  static std::string Bytes(size_t size, int seed) {
    std::string bytes(size, '\0');
    uint32_t state = static_cast<uint32_t>(seed) * 2654435761u + 1;
    for (char& c : bytes) {
      state = state * 1664525u + 1013904223u;
      c = static_cast<char>(state >> 24);
    }
    return bytes;
  }

  std::string StartUpload(absl::string_view name, const std::string& commit_id = "") {
    PutRequest request;
    request.key = Key(name);
    request.commit_id = commit_id;
    const auto id = store_->CreateUpload(call_, request);
    EXPECT_TRUE(id.ok()) << id.status();
    return id.ok() ? *id : "";
  }
  absl::StatusOr<UploadedPart> Part(absl::string_view name, const std::string& id, uint32_t number,
                                    absl::string_view bytes) {
    MemorySource body(bytes);
    return store_->UploadPart(call_, Key(name), id, number, body);
  }
  absl::StatusOr<Stamp> Complete(absl::string_view name, const std::string& id,
                                 std::vector<UploadedPart> parts,
                                 const Precondition& precondition = Precondition::None()) {
    CompleteRequest request;
    request.key = Key(name);
    request.upload_id = id;
    request.parts = std::move(parts);
    request.precondition = precondition;
    return store_->CompleteUpload(call_, request);
  }

  CallContext call_;
  std::shared_ptr<ObjectStore> store_;
  std::string prefix_;
};

// ASSERT-like, for Status and StatusOr alike.
template <typename T>
int ErrorIn(const absl::StatusOr<T>& result) {
  return ErrnoOf(result.status());
}
inline int ErrorIn(const absl::Status& status) { return ErrnoOf(status); }
#define S3FILES_EXPECT_OK(expr) EXPECT_EQ(::s3files::ErrorIn(expr), 0)

}  // namespace s3files

#endif  // S3FILES_TESTS_STORE_STORE_CONFORMANCE_H_
