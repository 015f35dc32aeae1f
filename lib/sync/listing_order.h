// One directory's LIST pages, merged into its entries (DESIGN.md, decision 11).
//
// LIST is in key order: "a", "a-1", "a/". Entries come out in another order, that of name + "/":
// "a-1", "a". So whether a name is a file or a directory is known when it comes out, and the order
// does not depend on which it is. A file is held back until the listing has passed name + "/".
#ifndef S3FILES_LIB_SYNC_LISTING_ORDER_H_
#define S3FILES_LIB_SYNC_LISTING_ORDER_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/store/object_store.h"

namespace s3files {

struct ListedEntry {
  std::string name;
  bool is_directory = false;
  uint64_t size = 0;  // 0 for directories
  Stamp stamp;        // of a file; a directory's marker is known to its own listing only
};

// Takes pages of a hierarchical listing in order; gives entries as soon as they are certain. Each
// name comes out once. Not thread-safe.
class ListingMerger {
 public:
  // `prefix`: the directory's key, of every page the same.
  void AddPage(ListPage&& page, absl::string_view prefix);
  // The last page has been added.
  void Finish();

  // The next entry; false: add a page, or, after Finish, the end.
  bool Next(ListedEntry* out);

  // The stamp of the directory's own marker (the object `prefix`); nullopt: none seen.
  const std::optional<Stamp>& marker() const { return marker_; }

  // Keys seen since the last call that are not entries: no valid name, or a file beside a directory
  // of its name (the directory is shown).
  std::vector<std::string> TakeSkipped();

 private:
  void AddObject(ListedObject&& object, absl::string_view prefix);
  void AddDirectory(std::string&& key, absl::string_view prefix);
  void ReleaseBefore(absl::string_view position);
  void Emit(ListedEntry&& entry);

  std::vector<ListedEntry> held_;  // files; each a proper prefix of the next
  std::deque<ListedEntry> ready_;
  std::string last_;  // name last emitted
  std::vector<std::string> skipped_;
  std::optional<Stamp> marker_;
};

// `a` comes after `b` in the order of entries: that of a + "/" and b + "/".
bool After(absl::string_view a, absl::string_view b);

// A ListRequest::start_after from which a listing of the directory `prefix` still gives every entry
// after `name`. It gives some that are not, too: filter with After(entry.name, name). Whether a
// file is hidden by a directory comes out right for the entries after `name`. `name` need not
// exist. A name such as "x-1" starts the listing before "x", which comes after it.
std::string StartAfterFor(absl::string_view prefix, absl::string_view name);

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_LISTING_ORDER_H_
