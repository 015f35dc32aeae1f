// Half-open byte ranges and ordered, disjoint sets of them.
#ifndef S3FILES_LIB_BASE_BYTE_RANGE_H_
#define S3FILES_LIB_BASE_BYTE_RANGE_H_

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"

namespace s3files {

struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;  // one past the last byte
  uint64_t size() const { return end - begin; }
  bool empty() const { return begin >= end; }
  friend bool operator==(const ByteRange& a, const ByteRange& b) {
    return a.begin == b.begin && a.end == b.end;
  }
};

// The bytes common to both; empty where there are none.
ByteRange Intersect(const ByteRange& a, const ByteRange& b);

// Ordered, disjoint, never adjacent ranges. Not thread-safe.
class RangeSet {
 public:
  void Add(ByteRange range);
  void Remove(ByteRange range);
  void Clear() { ranges_.clear(); }

  bool empty() const { return ranges_.empty(); }
  size_t count() const { return ranges_.size(); }
  uint64_t total() const;  // bytes in all ranges
  bool Contains(const ByteRange& range) const;
  bool Intersects(const ByteRange& range) const;
  // The parts of `range` that are in the set, in order.
  std::vector<ByteRange> Within(const ByteRange& range) const;
  // The parts of `range` that are not in the set, in order.
  std::vector<ByteRange> Missing(const ByteRange& range) const;
  std::vector<ByteRange> ranges() const;

 private:
  absl::btree_map<uint64_t, uint64_t> ranges_;  // begin -> end
};

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_BYTE_RANGE_H_
