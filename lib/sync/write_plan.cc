#include "lib/sync/write_plan.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

// A short clean end of the content is copied from this size on; below it a request costs more than
// the bytes.
constexpr uint64_t kSmallestEndCopy = uint64_t{1} << 20;
// Long copies go in several parts, in parallel, so that each ends within a request's time.
constexpr uint64_t kUsualCopy = uint64_t{512} << 20;
// Sizes above this are all the same to us; sums of 2^32 of them are not needed.
constexpr uint64_t kHugePart = uint64_t{1} << 50;

uint64_t DivideUp(uint64_t a, uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

// What parts may measure. smallest <= usual <= largest, all positive.
struct PartLimits {
  uint64_t smallest;
  uint64_t largest;
  uint64_t usual;
  uint32_t most;
};

PartLimits LimitsOf(const PartPolicy& policy, const Capabilities& capabilities) {
  PartLimits limits;
  limits.smallest = std::clamp<uint64_t>(capabilities.smallest_part, 1, kHugePart);
  limits.largest = std::clamp(capabilities.largest_part, limits.smallest, kHugePart);
  limits.usual = std::clamp(policy.part_size, limits.smallest, limits.largest);
  limits.most = std::max<uint32_t>(capabilities.most_parts, 1);
  return limits;
}

// Any length from `smallest` on can be cut into pieces of smallest..largest.
bool CutsFreely(uint64_t smallest, uint64_t largest) { return largest / 2 >= smallest; }

bool CanUpdatePartly(const WriteShape& shape, const Capabilities& capabilities,
                     const PartLimits& limits) {
  return shape.has_base && capabilities.part_copy && capabilities.copy_source &&
         capabilities.conditional_complete && !capabilities.equal_parts &&
         // S3 copies ranges only of objects that are larger than one smallest part.
         shape.base_visible > limits.smallest && CutsFreely(limits.smallest, limits.largest) &&
         CutsFreely(limits.smallest, capabilities.largest_copy);
}

// ---- Which clean ranges become copies ----------------------------------------------------------
//
// A copy lies within one clean run, and copies are apart by at least one smallest part, which is
// uploaded. A run's copy begins where the run does, or later where the upload before it needs the
// room; and ends where the run does, or earlier where the next copy wants to begin. Most bytes are
// copied by dynamic programming over the runs: two candidate runs with another one between them do
// not touch each other's room, so a run's state is only where its copy begins, and two states a run
// are enough: beginning with the run, and the best that begins later.

struct CopyState {
  uint64_t begin = 0;   // of this run's copy
  uint64_t copied = 0;  // by the copies before it
  size_t run = 0;
  int parent = -1;  // index of the state of the copy before it; -1 = none
};

class CopyChooser {
 public:
  // `smallest_copy` >= `smallest`, which is what every part but the last needs.
  CopyChooser(uint64_t size, uint64_t smallest, uint64_t smallest_copy)
      : size_(size), smallest_(smallest), smallest_copy_(smallest_copy) {}

  std::vector<ByteRange> Choose(const std::vector<ByteRange>& clean) {
    for (const ByteRange& run : clean) {
      if (run.size() >= Needed(run)) runs_.push_back(run);
    }
    int best = -1;         // of all runs so far
    int best_before = -1;  // of all but the last one
    std::pair<int, int> last{-1, -1};
    for (size_t i = 0; i < runs_.size(); ++i) {
      int at_begin = -1;
      int later = -1;
      for (const int parent : {-1, best_before, last.first, last.second}) {
        Extend(i, parent, &at_begin, &later);
      }
      last = {at_begin, later};
      best_before = best;
      for (const int state : {at_begin, later}) {
        if (state >= 0 && (best < 0 || Value(state) > Value(best))) best = state;
      }
    }
    return Trace(best);
  }

 private:
  uint64_t Needed(const ByteRange& run) const {
    return run.end == size_ ? std::min(smallest_copy_, kSmallestEndCopy) : smallest_copy_;
  }

  // Bytes copied when this is the last copy.
  uint64_t Value(int index) const {
    const CopyState& state = states_[index];
    return state.copied + runs_[state.run].end - state.begin;
  }

  void Keep(const CopyState& state, int* slot) {
    if (*slot >= 0) {
      const CopyState& old = states_[*slot];
      if (old.copied - old.begin + size_ >= state.copied - state.begin + size_) return;
    }
    *slot = static_cast<int>(states_.size());
    states_.push_back(state);
  }

  // Adds run `i` after the copy `parent` (-1: it is the first).
  void Extend(size_t i, int parent, int* at_begin, int* later) {
    const ByteRange& run = runs_[i];
    CopyState state{run.begin, 0, i, parent};
    if (parent >= 0) {
      const CopyState& before = states_[parent];
      state.begin = std::max(run.begin, before.begin + smallest_copy_ + smallest_);
      state.copied = before.copied + EndBefore(before, state.begin) - before.begin;
    } else if (run.begin > 0) {
      state.begin = std::max(run.begin, smallest_);
    }
    if (state.begin >= run.end || run.end - state.begin < Needed(run)) return;
    Keep(state, state.begin == run.begin ? at_begin : later);
  }

  // Where a copy ends when the next begins at `next`.
  uint64_t EndBefore(const CopyState& state, uint64_t next) const {
    return std::min(runs_[state.run].end, next - smallest_);
  }

  std::vector<ByteRange> Trace(int index) const {
    std::vector<ByteRange> copies;
    uint64_t next = UINT64_MAX;
    for (; index >= 0; index = states_[index].parent) {
      const CopyState& state = states_[index];
      copies.push_back({state.begin, EndBefore(state, next)});
      next = state.begin;
    }
    std::reverse(copies.begin(), copies.end());
    return copies;
  }

  const uint64_t size_;
  const uint64_t smallest_;
  const uint64_t smallest_copy_;
  std::vector<ByteRange> runs_;  // candidates
  std::vector<CopyState> states_;
};

// ---- Cutting ranges into parts
// -------------------------------------------------------------------

// Into how many pieces of about `usual` a range goes. Pieces are balanced: none under `smallest`,
// unless the whole range is.
uint64_t PieceCount(uint64_t length, uint64_t smallest, uint64_t usual) {
  return std::clamp<uint64_t>(DivideUp(length, usual), 1, std::max<uint64_t>(length / smallest, 1));
}

struct PieceSizes {
  uint64_t upload;
  uint64_t copy;
};

class PartList {
 public:
  PartList(uint64_t size, const std::vector<ByteRange>& copies, uint64_t smallest)
      : smallest_(smallest) {
    uint64_t at = 0;
    for (const ByteRange& copy : copies) {
      if (at < copy.begin) stretches_.push_back({{at, copy.begin}, false});
      stretches_.push_back({copy, true});
      at = copy.end;
    }
    if (at < size) stretches_.push_back({{at, size}, false});
  }

  uint64_t Count(const PieceSizes& sizes) const {
    uint64_t count = 0;
    for (const auto& [range, copy] : stretches_) count += PiecesOf(range, copy, sizes);
    return count;
  }

  WritePlan Cut(const PieceSizes& sizes) const {
    WritePlan plan;
    plan.kind = WritePlan::Kind::kMultipart;
    for (const auto& [range, copy] : stretches_) {
      const uint64_t pieces = PiecesOf(range, copy, sizes);
      const uint64_t least = range.size() / pieces;
      const uint64_t longer = range.size() % pieces;  // so many pieces have one byte more
      uint64_t at = range.begin;
      for (uint64_t i = 0; i < pieces; ++i) {
        const uint64_t end = at + least + (i < longer ? 1 : 0);
        plan.parts.push_back({static_cast<uint32_t>(plan.parts.size() + 1), {at, end}, copy});
        at = end;
      }
      if (copy) plan.copied_bytes += range.size();
    }
    return plan;
  }

 private:
  uint64_t PiecesOf(const ByteRange& range, bool copy, const PieceSizes& sizes) const {
    return PieceCount(range.size(), smallest_, copy ? sizes.copy : sizes.upload);
  }

  const uint64_t smallest_;
  std::vector<std::pair<ByteRange, bool>> stretches_;  // range, copy
};

// The bytes of the base that are bytes of the new content.
std::vector<ByteRange> CleanRuns(const WriteShape& shape) {
  const ByteRange visible{0, std::min(shape.base_visible, shape.size)};
  if (visible.empty()) return {};
  if (shape.staged == nullptr) return {visible};
  return shape.staged->Missing(visible);
}

// An empty plan where copies save nothing, or every choice of them takes too many parts.
WritePlan PlanPartly(const WriteShape& shape, const Capabilities& capabilities,
                     const PartLimits& limits) {
  const std::vector<ByteRange> clean = CleanRuns(shape);
  const uint64_t largest_copy = std::min(capabilities.largest_copy, kHugePart);
  for (uint64_t smallest_copy = limits.smallest; smallest_copy <= shape.size; smallest_copy *= 2) {
    const auto copies = CopyChooser(shape.size, limits.smallest, smallest_copy).Choose(clean);
    if (copies.empty()) break;
    const PartList list(shape.size, copies, limits.smallest);
    PieceSizes sizes{limits.usual, std::clamp(kUsualCopy, 2 * limits.smallest, largest_copy)};
    while (list.Count(sizes) > limits.most &&
           (sizes.upload < limits.largest || sizes.copy < largest_copy)) {
      sizes.upload = std::min(sizes.upload * 2, limits.largest);
      sizes.copy = std::min(sizes.copy * 2, largest_copy);
    }
    if (list.Count(sizes) <= limits.most) return list.Cut(sizes);
  }
  return WritePlan();
}

// All parts have one size but the last, which is smaller.
WritePlan PlanEqual(uint64_t size, uint64_t part_size) {
  WritePlan plan;
  plan.kind = WritePlan::Kind::kMultipart;
  for (uint64_t at = 0; at < size;) {
    const uint64_t end = at + std::min(part_size, size - at);
    plan.parts.push_back({static_cast<uint32_t>(plan.parts.size() + 1), {at, end}, false});
    at = end;
  }
  return plan;
}

absl::Status TooLarge(uint64_t size, uint64_t largest) {
  return Error(EFBIG, absl::StrCat("content of ", size, " bytes is larger than the ", largest,
                                   " the store holds in one object; split it into several files"));
}

absl::StatusOr<WritePlan> PlanWhole(uint64_t size, const Capabilities& capabilities,
                                    const PartLimits& limits) {
  const uint64_t part_size = std::max(limits.usual, DivideUp(size, limits.most));
  if (part_size > limits.largest) return TooLarge(size, limits.most * limits.largest);
  if (capabilities.equal_parts || !CutsFreely(limits.smallest, limits.largest)) {
    return PlanEqual(size, part_size);
  }
  return PartList(size, {}, limits.smallest).Cut({part_size, part_size});
}

// ---- Uploads of unknown length
// -------------------------------------------------------------------

// Groups of `length` parts, the size doubling from group to group up to `largest`.
struct StreamingSteps {
  uint64_t first;
  uint64_t largest;
  uint64_t length;

  struct Place {
    uint64_t begin;
    uint64_t size;
  };
  Place At(uint64_t number) const {
    uint64_t before = number - 1;
    Place place{0, first};
    while (place.size < largest && before >= length) {
      place.begin += length * place.size;
      before -= length;
      place.size = place.size * 2 <= largest ? place.size * 2 : largest;
    }
    place.begin += before * place.size;
    return place;
  }
  uint64_t Reach(uint32_t parts) const { return At(uint64_t{parts} + 1).begin; }
};

StreamingSteps StepsOf(const PartPolicy& policy, const Capabilities& capabilities) {
  const PartLimits limits = LimitsOf(policy, capabilities);
  StreamingSteps steps{limits.usual, limits.largest, limits.most};
  if (capabilities.equal_parts) {
    steps.largest = steps.first;
    return steps;
  }
  const uint64_t wanted = std::min(capabilities.largest_object, kHugePart);
  // Shorter steps reach farther, with larger parts sooner: the longest that do are best.
  while (steps.length > 1 && steps.Reach(limits.most) < wanted) {
    steps.length -= DivideUp(steps.length, 16);
    steps.length = std::max<uint64_t>(steps.length, 1);
  }
  return steps;
}

}  // namespace

absl::StatusOr<WritePlan> PlanWrite(const WriteShape& shape, const PartPolicy& policy,
                                    const Capabilities& capabilities) {
  if (shape.size > capabilities.largest_object) {
    return TooLarge(shape.size, capabilities.largest_object);
  }
  if (shape.size <= std::min(policy.multipart_threshold, capabilities.largest_put)) {
    return WritePlan();
  }
  const PartLimits limits = LimitsOf(policy, capabilities);
  if (CanUpdatePartly(shape, capabilities, limits)) {
    WritePlan plan = PlanPartly(shape, capabilities, limits);
    if (plan.copied_bytes > 0) return plan;
  }
  return PlanWhole(shape.size, capabilities, limits);
}

uint64_t StreamingPartSize(uint32_t number, const PartPolicy& policy,
                           const Capabilities& capabilities) {
  return StepsOf(policy, capabilities).At(number).size;
}

ByteRange StreamingPartRange(uint32_t number, const PartPolicy& policy,
                             const Capabilities& capabilities) {
  const auto place = StepsOf(policy, capabilities).At(number);
  return {place.begin, place.begin + place.size};
}

}  // namespace s3files
