// Identity of an object's bytes, and the condition a write carries.
#ifndef S3FILES_LIB_STORE_VERSION_H_
#define S3FILES_LIB_STORE_VERSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace s3files {

// Opaque identity of an object's bytes: its ETag, and its version id where the bucket has versions.
// Two objects of one key with equal known versions hold equal bytes.
class Version {
 public:
  // There is no object. Also the default.
  static Version Absent() { return Version(); }
  // There is an object, but the store did not give it a strong ETag.
  static Version Unknown();
  // `etag` as the header has it, quoted or not; an empty or weak one gives Unknown.
  static Version Of(absl::string_view etag, absl::string_view version_id = "");

  Version() = default;

  bool absent() const { return rep_ == nullptr; }
  bool unknown() const { return !absent() && rep_->etag.empty(); }
  bool known() const { return !absent() && !unknown(); }
  const std::string& etag() const { return rep().etag; }              // without quotes
  const std::string& version_id() const { return rep().version_id; }  // empty where there is none

  std::string ToString() const;  // for messages: "absent", "unknown", or the ETag

  // Equal bytes. Unknown equals nothing, not even itself. Version ids count only where both have one.
  friend bool operator==(const Version& a, const Version& b);
  friend bool operator!=(const Version& a, const Version& b) { return !(a == b); }

 private:
  struct Rep {
    std::string etag;  // empty: unknown
    std::string version_id;
  };
  explicit Version(std::shared_ptr<const Rep> rep) : rep_(std::move(rep)) {}
  const Rep& rep() const;

  std::shared_ptr<const Rep> rep_;  // shared by all that know the version; null: absent
};

// Bytes are valid for a version, attributes for a stamp (attributes may change while bytes do not).
struct Stamp {
  Version version;
  int64_t last_modified_ns = 0;
  friend bool operator==(const Stamp& a, const Stamp& b) {
    return a.version == b.version && a.last_modified_ns == b.last_modified_ns;
  }
};

// What must be true for a write to happen; a write whose precondition fails changes nothing and
// returns ESTALE (EEXIST for `Absent`). Version::Unknown cannot be a precondition: HEAD resolves it.
class Precondition {
 public:
  // For what nobody else can name: a temporary key of our own, a test's set-up.
  static Precondition None() { return Precondition(Kind::kNone, {}); }
  // The key has exactly `version`: Absent = create. EINVAL from the store where it is Unknown.
  static Precondition Is(Version version) { return Precondition(Kind::kIs, std::move(version)); }

  bool none() const { return kind_ == Kind::kNone; }
  bool create() const { return kind_ == Kind::kIs && version_.absent(); }
  bool replace() const { return kind_ == Kind::kIs && !version_.absent(); }
  const Version& version() const { return version_; }

 private:
  enum class Kind : uint8_t { kNone, kIs };
  Precondition(Kind kind, Version version) : kind_(kind), version_(std::move(version)) {}
  Kind kind_;
  Version version_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_STORE_VERSION_H_
