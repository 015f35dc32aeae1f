// Cases of the model of names: how they are generated, and how one is printed, as code that can be
// pasted into tree_test.cc.
#ifndef S3FILES_TESTS_MODEL_TREE_CASES_H_
#define S3FILES_TESTS_MODEL_TREE_CASES_H_

#include <iterator>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "rapidcheck.h"
#include "tests/model/cases.h"

namespace s3files::model {

enum class Act {
  kOpen,
  kRead,
  kWrite,
  kResize,
  kSync,
  kClose,  // of handles but the first
  kStat,
  kList,
  kTruncate,
  kChmod,
  kUtimens,
  kSetXattr,
  kRemoveXattr,
  kCommit,
  kDiscard,
  kMakeDirectory,
  kRemoveDirectory,
  kUnlink,
  kRename,
  kWait,   // for the delay, and as long as what was seen is believed
  kOther,  // another host renames, when nothing is staged here
};
inline constexpr const char* kActs[] = {"kOpen",
                                        "kRead",
                                        "kWrite",
                                        "kResize",
                                        "kSync",
                                        "kClose",
                                        "kStat",
                                        "kList",
                                        "kTruncate",
                                        "kChmod",
                                        "kUtimens",
                                        "kSetXattr",
                                        "kRemoveXattr",
                                        "kCommit",
                                        "kDiscard",
                                        "kMakeDirectory",
                                        "kRemoveDirectory",
                                        "kUnlink",
                                        "kRename",
                                        "kWait",
                                        "kOther"};

struct TreeStep {
  Act what = Act::kStat;
  std::string path;  // "": the root
  std::string to;
  int handle = 0;       // modulo those that are open
  uint32_t flags = 0;   // of open or rename
  uint64_t offset = 0;  // also a new size, a mode, a time
  uint64_t size = 0;
  uint64_t seed = 0;
  std::optional<Fault> fault;
};

// Of the store and of the host.
enum class Kind {
  kImmediate,
  kDelayed,
  kBackground,
  kVersioned,
  kUnconditional,
  kWeak,
  kForgetful
};
inline constexpr const char* kKindNames[] = {
    "kImmediate", "kDelayed", "kBackground", "kVersioned", "kUnconditional", "kWeak", "kForgetful"};

struct TreeCase {
  Kind kind = Kind::kImmediate;
  bool watched = false;  // the whole tree is looked at after every step, which makes it known
  std::vector<TreeStep> steps;
};

using TreeNumbers = std::tuple<int, int, int, int, int, int, int, int>;

inline std::optional<Fault> TreeFaultOf(int number) {
  static constexpr Op kOps[] = {Op::kPut,  Op::kCopy, Op::kDelete, Op::kDeleteMany,
                                Op::kList, Op::kHead, Op::kGet};
  constexpr int kKinds = 6 * std::size(kOps);
  if (number == 0 || number > kKinds) return std::nullopt;
  const int kind = number - 1;
  return Fault{kOps[kind / 6], 1 + kind % 3,
               kind / 3 % 2 == 0 ? FaultyStore::kBefore : FaultyStore::kAfter};
}

inline TreeStep TreeStepOf(const TreeNumbers& numbers) {
  static constexpr Act kKinds[] = {
      Act::kOpen,     Act::kOpen,          Act::kOpen,          Act::kOpen,
      Act::kWrite,    Act::kWrite,         Act::kWrite,         Act::kClose,
      Act::kClose,    Act::kClose,         Act::kRead,          Act::kRead,
      Act::kResize,   Act::kSync,          Act::kStat,          Act::kList,
      Act::kList,     Act::kTruncate,      Act::kChmod,         Act::kUtimens,
      Act::kSetXattr, Act::kRemoveXattr,   Act::kCommit,        Act::kCommit,
      Act::kDiscard,  Act::kMakeDirectory, Act::kMakeDirectory, Act::kMakeDirectory,
      Act::kUnlink,   Act::kUnlink,        Act::kRename,        Act::kRename,
      Act::kRename,   Act::kRename,        Act::kRename,        Act::kRename,
      Act::kWait,     Act::kOther,         Act::kOther,         Act::kRemoveDirectory};
  static constexpr const char* kPaths[] = {"a", "b",   "a/a",   "a/b",   "b/a",  "b/b",
                                           "c", "c/a", "a/a/a", "b/a/a", "a/a/b"};
  static constexpr uint32_t kReadWrite = kOpenRead | kOpenWrite;
  static constexpr uint32_t kOpenFlags[] = {kReadWrite | kOpenCreate, kReadWrite | kOpenCreate,
                                            kReadWrite, kReadWrite | kOpenCreate | kOpenTruncate,
                                            kReadWrite | kOpenCreate | kOpenExclusive};
  static constexpr uint32_t kRenames[] = {0, 0, 0, kRenameNoReplace, kRenameExchange};
  static constexpr uint64_t kSizes[] = {3, 1, 0, 9, 6'000, 14'000};
  const auto& [what, path, to, handle, flags, at, size, fault] = numbers;
  TreeStep step;
  step.what = kKinds[what % std::size(kKinds)];
  step.path = kPaths[path % std::size(kPaths)];
  const bool by_handle = step.what >= Act::kRead && step.what <= Act::kClose;
  if (by_handle) step.handle = handle;
  switch (step.what) {
    case Act::kOpen:
      step.flags = kOpenFlags[flags % std::size(kOpenFlags)];
      break;
    case Act::kWrite:
      step.offset = at;
      step.size = std::max<uint64_t>(1, kSizes[size % std::size(kSizes)]);
      step.seed = 1 + at % 3;
      break;
    case Act::kResize:
    case Act::kTruncate:
      step.offset = kSizes[size % std::size(kSizes)];
      break;
    case Act::kChmod:
      step.offset = at % 2 == 0 ? 0600 : 0755;
      break;
    case Act::kUtimens:
    case Act::kSetXattr:
      step.offset = 1000 + at;
      step.to = size % 2 == 0 ? "x" : "y";
      break;
    case Act::kRemoveXattr:
      step.to = size % 2 == 0 ? "x" : "y";
      break;
    case Act::kList:
    case Act::kCommit:
      if (to % 3 == 0) step.path = "";
      break;
    case Act::kRename:
      step.flags = kRenames[flags % std::size(kRenames)];
      [[fallthrough]];
    case Act::kOther:
      step.to = kPaths[to % std::size(kPaths)];
      break;
    default:
      break;
  }
  const bool may_fail = step.what == Act::kSync || step.what == Act::kClose ||
                        step.what == Act::kCommit ||
                        (step.what >= Act::kTruncate && step.what <= Act::kRename);
  if (may_fail && step.what != Act::kDiscard) step.fault = TreeFaultOf(fault);
  return step;
}

inline rc::Gen<TreeCase> AnyTreeCase() {
  using rc::gen::inRange;
  auto steps = rc::gen::container<std::vector<TreeStep>>(
      rc::gen::map(rc::gen::tuple(inRange(0, 40), inRange(0, 11), inRange(0, 11), inRange(0, 4),
                                  inRange(0, 5), inRange(0, 10), inRange(0, 6), inRange(0, 250)),
                   TreeStepOf));
  return rc::gen::map(
      rc::gen::tuple(inRange<int>(0, std::size(kKindNames)), inRange(0, 2), std::move(steps)),
      [](std::tuple<int, int, std::vector<TreeStep>> made) {
        return TreeCase{static_cast<Kind>(std::get<0>(made)), std::get<1>(made) == 1,
                        std::get<2>(std::move(made))};
      });
}

inline std::string TextOf(const TreeStep& step) {
  std::string text = absl::StrCat("{.what = Act::", kActs[static_cast<int>(step.what)]);
  const bool by_handle = step.what >= Act::kRead && step.what <= Act::kClose;
  if (!by_handle && step.what != Act::kWait)
    absl::StrAppend(&text, ", .path = \"", step.path, "\"");
  if (!step.to.empty()) absl::StrAppend(&text, ", .to = \"", step.to, "\"");
  if (step.handle != 0) absl::StrAppend(&text, ", .handle = ", step.handle);
  if (step.what == Act::kOpen) absl::StrAppend(&text, ", .flags = ", FlagsText(step.flags));
  if (step.what == Act::kRename && step.flags != 0) {
    const bool exchange = step.flags == kRenameExchange;
    absl::StrAppend(&text, ", .flags = ", exchange ? "kRenameExchange" : "kRenameNoReplace");
  }
  if (step.offset != 0) absl::StrAppend(&text, ", .offset = ", step.offset);
  if (step.size != 0) absl::StrAppend(&text, ", .size = ", step.size);
  if (step.seed != 0) absl::StrAppend(&text, ", .seed = ", step.seed);
  return absl::StrCat(text, FaultText(step.fault), "}");
}

inline void showValue(const TreeCase& test, std::ostream& out) {
  out << "\nTEST(TreeTest, NAME) {\n  EXPECT_EQ(Play({Kind::"
      << kKindNames[static_cast<int>(test.kind)] << ", " << (test.watched ? "true" : "false")
      << ",\n";
  const char* before = "                  {";
  for (const TreeStep& step : test.steps) {
    out << before << TextOf(step);
    before = ",\n                   ";
  }
  out << "}}),\n            \"\");\n}\n";
}

}  // namespace s3files::model

#endif  // S3FILES_TESTS_MODEL_TREE_CASES_H_
