#include "lib/base/byte_range.h"

#include <algorithm>
#include <iterator>

namespace s3files {

ByteRange Intersect(const ByteRange& a, const ByteRange& b) {
  const ByteRange both{std::max(a.begin, b.begin), std::min(a.end, b.end)};
  return both.empty() ? ByteRange{} : both;
}

void RangeSet::Add(ByteRange range) {
  if (range.empty()) return;
  auto it = ranges_.upper_bound(range.begin);
  if (it != ranges_.begin()) {
    const auto before = std::prev(it);
    if (before->second >= range.begin) it = before;  // touching counts: ranges are never adjacent
  }
  while (it != ranges_.end() && it->first <= range.end) {
    range.begin = std::min(range.begin, it->first);
    range.end = std::max(range.end, it->second);
    it = ranges_.erase(it);
  }
  ranges_.emplace(range.begin, range.end);
}

void RangeSet::Remove(ByteRange range) {
  if (range.empty()) return;
  auto it = ranges_.upper_bound(range.begin);
  if (it != ranges_.begin() && std::prev(it)->second > range.begin) --it;
  while (it != ranges_.end() && it->first < range.end) {
    const ByteRange old{it->first, it->second};
    it = ranges_.erase(it);
    if (old.begin < range.begin) ranges_.emplace(old.begin, range.begin);
    if (old.end > range.end) {
      ranges_.emplace(range.end, old.end);
      return;
    }
    it = ranges_.lower_bound(range.begin);  // emplace invalidates a B-tree's iterators
  }
}

uint64_t RangeSet::total() const {
  uint64_t sum = 0;
  for (const auto& [begin, end] : ranges_) sum += end - begin;
  return sum;
}

bool RangeSet::Contains(const ByteRange& range) const {
  if (range.empty()) return true;
  const auto it = ranges_.upper_bound(range.begin);
  return it != ranges_.begin() && std::prev(it)->second >= range.end;
}

bool RangeSet::Intersects(const ByteRange& range) const {
  if (range.empty()) return false;
  const auto it = ranges_.lower_bound(range.end);  // the first that begins at or past its end
  return it != ranges_.begin() && std::prev(it)->second > range.begin;
}

std::vector<ByteRange> RangeSet::Within(const ByteRange& range) const {
  std::vector<ByteRange> parts;
  if (range.empty()) return parts;
  auto it = ranges_.upper_bound(range.begin);
  if (it != ranges_.begin()) --it;
  for (; it != ranges_.end() && it->first < range.end; ++it) {
    const ByteRange part = Intersect(range, {it->first, it->second});
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::vector<ByteRange> RangeSet::Missing(const ByteRange& range) const {
  std::vector<ByteRange> gaps;
  uint64_t at = range.begin;
  for (const ByteRange& part : Within(range)) {
    if (at < part.begin) gaps.push_back({at, part.begin});
    at = part.end;
  }
  if (at < range.end) gaps.push_back({at, range.end});
  return gaps;
}

std::vector<ByteRange> RangeSet::ranges() const {
  std::vector<ByteRange> all;
  all.reserve(ranges_.size());
  for (const auto& [begin, end] : ranges_) all.push_back({begin, end});
  return all;
}

}  // namespace s3files
