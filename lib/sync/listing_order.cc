#include "lib/sync/listing_order.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/inode/path.h"

namespace s3files {
namespace {

// Compares as bytes, which a string's char_traits do, whatever char's sign.
int Compare(absl::string_view a, absl::string_view b) { return a.compare(b); }

// Compares name + "/" with `position`, which may or may not end in '/'.
int CompareHeld(absl::string_view name, absl::string_view position) {
  const int order = Compare(name, position.substr(0, name.size()));
  if (order != 0) return order;
  return Compare("/", position.substr(name.size()));
}

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// A string shortly before `name` in byte order. None is the nearest ("a", "a\0" and so on have no
// predecessor that could be sent), but what lies between is little.
std::string Before(absl::string_view name) {
  std::string before(name);
  const char last = before.back();
  before.pop_back();
  if (last > '!' && last <= '~') {
    char less = static_cast<char>(last - 1);
    if (less == '/') less = '.';  // a position inside another directory says something else
    before += {less, '~'};
    return before;
  }
  if (!IsContinuation(last)) return before;
  while (!before.empty() && IsContinuation(before.back())) before.pop_back();
  if (!before.empty()) before.pop_back();  // never half a character
  return before;
}

}  // namespace

void ListingMerger::AddPage(ListPage&& page, absl::string_view prefix) {
  auto object = page.objects.begin();
  auto directory = page.prefixes.begin();
  while (object != page.objects.end() || directory != page.prefixes.end()) {
    const bool object_first =
        directory == page.prefixes.end() ||
        (object != page.objects.end() && Compare(object->key, *directory) < 0);
    if (object_first) {
      AddObject(std::move(*object++), prefix);
    } else {
      AddDirectory(std::move(*directory++), prefix);
    }
  }
}

void ListingMerger::Finish() {
  while (!held_.empty()) {
    Emit(std::move(held_.back()));
    held_.pop_back();
  }
}

bool ListingMerger::Next(ListedEntry* out) {
  if (ready_.empty()) return false;
  *out = std::move(ready_.front());
  ready_.pop_front();
  return true;
}

std::vector<std::string> ListingMerger::TakeSkipped() { return std::exchange(skipped_, {}); }

void ListingMerger::AddObject(ListedObject&& object, absl::string_view prefix) {
  if (object.key == prefix) {
    marker_ = std::move(object.stamp);
    return;
  }
  std::optional<std::string> name = NameFromKey(object.key, prefix);
  if (!name.has_value() || absl::EndsWith(object.key, "/")) {
    skipped_.push_back(std::move(object.key));
    return;
  }
  if (absl::StartsWith(*name, kTemporaryName)) return;
  ReleaseBefore(*name);
  if (!held_.empty() && held_.back().name == *name) return;  // a store that repeats itself
  held_.push_back({std::move(*name), false, object.size, std::move(object.stamp)});
}

void ListingMerger::AddDirectory(std::string&& key, absl::string_view prefix) {
  std::optional<std::string> name = NameFromKey(key, prefix);
  if (!name.has_value() || !absl::EndsWith(key, "/")) {
    skipped_.push_back(std::move(key));
    return;
  }
  ReleaseBefore(absl::StrCat(*name, "/"));
  if (!held_.empty() && held_.back().name == *name) {
    skipped_.push_back(absl::StrCat(prefix, *name));
    held_.pop_back();
  }
  Emit({std::move(*name), true, 0, Stamp()});
}

// The listing has come to `position`: nothing it still gives comes before that, so held files whose
// directory would have been there by now are certain. The longest held one is the first in order.
void ListingMerger::ReleaseBefore(absl::string_view position) {
  while (!held_.empty() && CompareHeld(held_.back().name, position) < 0) {
    Emit(std::move(held_.back()));
    held_.pop_back();
  }
}

void ListingMerger::Emit(ListedEntry&& entry) {
  if (entry.name == last_) return;  // a store that repeats a prefix on its next page
  last_ = entry.name;
  ready_.push_back(std::move(entry));
}

bool After(absl::string_view a, absl::string_view b) {
  const size_t common = std::min(a.size(), b.size());
  const int order = Compare(a.substr(0, common), b.substr(0, common));
  if (order != 0) return order > 0;
  // The shorter one goes on with '/', which no name contains.
  if (a.size() > common) return static_cast<unsigned char>(a[common]) > '/';
  if (b.size() > common) return static_cast<unsigned char>(b[common]) < '/';
  return false;
}

std::string StartAfterFor(absl::string_view prefix, absl::string_view name) {
  // A file that is a proper prefix of `name` and goes on below '/' there is listed before `name`
  // and comes after it. The shortest such prefix is listed first.
  for (size_t i = 1; i < name.size(); ++i) {
    if (static_cast<unsigned char>(name[i]) < '/') {
      return absl::StrCat(prefix, Before(name.substr(0, i)));
    }
  }
  // Else nothing up to name + "/" comes after it; which must be a key to be asked for.
  std::string start = absl::StrCat(prefix, name);
  if (!name.empty() && start.size() < kLongestKey) start += '/';
  return start;
}

}  // namespace s3files
