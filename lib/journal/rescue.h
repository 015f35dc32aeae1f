// What a state directory holds, read without its store; nothing in it is changed, nor believed to be
// whole.
#ifndef S3FILES_LIB_JOURNAL_RESCUE_H_
#define S3FILES_LIB_JOURNAL_RESCUE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/byte_range.h"
#include "lib/journal/staged_row.h"
#include "lib/journal/state_dir.h"

namespace s3files {

// Not thread-safe.
class Rescue {
 public:
  enum class Kind : uint8_t {
    kStaged = 1,
    kConflict = 2,
    kDamaged = 3,
    kStranger = 4,
    kRename = 5
  };
  enum class Where : uint8_t { kHere = 1, kInStore = 2, kLost = 3 };
  struct Entry {
    Kind kind = Kind::kDamaged;
    uint64_t id = 0;
    StagedRow
        row;  // of a stranger the path is its file's name; of a rename `lost` is the old place
    uint64_t size = 0;
    uint64_t staged_bytes = 0;
    std::string message;  // what of it is damaged or missing; empty: it is whole
  };
  struct Range {
    ByteRange range;
    Where where = Where::kHere;
  };

  // ENOENT, EBUSY: see StateDir::OpenToRead.
  static absl::StatusOr<std::unique_ptr<Rescue>> Open(const std::string& state_dir);
  ~Rescue();
  Rescue(const Rescue&) = delete;
  Rescue& operator=(const Rescue&) = delete;

  const std::string& url() const { return url_; }  // as Journal was given it; empty: not known
  const std::string& damage() const { return damage_; }  // of the journal itself
  bool whole() const { return whole_; }                  // nothing is damaged or missing

  // False at the end. Rows in order of their ids, then strangers.
  bool Next();
  const Entry& entry() const { return entry_; }  // the one that Next went to
  // Where its bytes are, from `offset` on, at most `count` ranges; they touch each other.
  std::vector<Range> Ranges(uint64_t offset, size_t count) const;
  // Fewer bytes at the first one that is not here. ENODATA: the one at `offset` is not.
  absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> out) const;

 private:
  static constexpr int kNoFile = -1;
  // Of what is here; without either: zeros.
  struct Source {
    int file = kNoFile;
    const std::string* packed = nullptr;  // bytes of the entry's row
    uint64_t origin = 0;                  // the offset of their first one, were all of them a range
  };
  struct Piece {
    uint64_t end = 0;
    Where where = Where::kHere;
    Source source;
  };
  struct Found {
    Kind kind;
    uint64_t id;
    std::string bytes;  // a row, what is damaged, or a stranger's name
  };

  explicit Rescue(std::unique_ptr<StateDir> dir) : dir_(std::move(dir)) {}
  absl::Status ReadJournal();
  void FindStrangers();
  void Load(const Found& found);
  void LayOut(const StagedRow& row);
  void LayPacked(const SavedOverlay& overlay);
  void Lay(const ByteRange& range, Where where, const Source& source);
  int OpenFile(const std::string& name, uint64_t* size);
  void CloseFiles();

  const std::unique_ptr<StateDir> dir_;
  std::string url_;
  std::string damage_;
  bool whole_ = true;
  std::vector<Found> found_;
  size_t next_ = 0;

  Entry entry_;
  std::map<uint64_t, Piece> pieces_;  // of the entry's bytes, by their begin
  std::vector<int> files_;            // open
};

}  // namespace s3files

#endif  // S3FILES_LIB_JOURNAL_RESCUE_H_
