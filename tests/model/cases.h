// Cases of the model test: how they are generated, and how one is printed, as code that can be
// pasted into model_test.cc.
#ifndef S3FILES_TESTS_MODEL_CASES_H_
#define S3FILES_TESTS_MODEL_CASES_H_

#include <iterator>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "rapidcheck.h"
#include "tests/model/operations.h"

namespace s3files::model {

// Of the bucket and of the clients, throughout a case.
enum class Setting { kPlain, kVersions, kNoConditionalCopy, kNoConditions, kDelayed };
inline constexpr const char* kSettings[] = {"kPlain", "kVersions", "kNoConditionalCopy",
                                            "kNoConditions", "kDelayed"};

struct Case {
  Setting setting = Setting::kPlain;
  std::vector<Step> steps;
};

// --- Generating. Every choice is a small number that shrinks towards 0.

using Numbers = std::tuple<int, int, int, int, int, int, int, int, int>;

inline std::optional<Fault> FaultOf(int number) {
  static constexpr Op kOps[] = {Op::kPut,  Op::kCopy, Op::kDelete,         Op::kHead,
                                Op::kList, Op::kGet,  Op::kCompleteUpload, Op::kUploadPart};
  constexpr int kKinds = 4 * std::size(kOps);
  if (number == 0 || number > kKinds) return std::nullopt;
  const int kind = number - 1;
  return Fault{kOps[kind / 4], 1 + kind % 2,
               kind / 2 % 2 == 0 ? FaultyStore::kBefore : FaultyStore::kAfter};
}

inline Step StepOf(const Numbers& numbers) {
  static constexpr Do kKinds[] = {Do::kOpen,          Do::kOpen,
                                  Do::kOpen,          Do::kOpen,
                                  Do::kWrite,         Do::kWrite,
                                  Do::kWrite,         Do::kClose,
                                  Do::kClose,         Do::kRead,
                                  Do::kRead,          Do::kAppend,
                                  Do::kSync,          Do::kSync,
                                  Do::kTruncate,      Do::kAbandon,
                                  Do::kCommit,        Do::kCommit,
                                  Do::kDiscard,       Do::kUnlink,
                                  Do::kUnlink,        Do::kRename,
                                  Do::kRename,        Do::kRename,
                                  Do::kMakeDirectory, Do::kRemoveDirectory,
                                  Do::kSymlink,       Do::kChmod,
                                  Do::kChmod,         Do::kUtimens,
                                  Do::kSetXattr,      Do::kStat,
                                  Do::kStat,          Do::kStat,
                                  Do::kList,          Do::kToolPut,
                                  Do::kToolPut,       Do::kToolDelete,
                                  Do::kAdvance,       Do::kAdvance};
  static constexpr const char* kFiles[] = {"a", "b", "d/a", "d/b", "e/a"};
  static constexpr const char* kDirectories[] = {"d", "e"};
  static constexpr uint32_t kReadWrite = kOpenRead | kOpenWrite;
  static constexpr uint32_t kFlags[] = {kReadWrite | kOpenCreate,
                                        kReadWrite,
                                        kOpenRead,
                                        kReadWrite | kOpenCreate | kOpenTruncate,
                                        kReadWrite | kOpenCreate | kOpenExclusive,
                                        kReadWrite | kOpenAppend,
                                        kOpenWrite | kOpenTruncate};
  static constexpr uint64_t kSizes[] = {3, 1, 0, 9, 6'000, 14'000};
  const auto& [what, client, path, to, handle, flags, at, size, fault] = numbers;
  Step step;
  step.what = kKinds[what % std::size(kKinds)];
  step.client = client;
  step.path = kFiles[path % std::size(kFiles)];
  step.fault = FaultOf(fault);
  switch (step.what) {
    case Do::kOpen:
      step.flags = kFlags[flags % std::size(kFlags)];
      if (to == 3 && (step.flags & kOpenCreate) == 0) step.path = "l";
      if (to == 4 && (step.flags & (kOpenCreate | kOpenWrite)) == kOpenWrite) step.path = "d";
      break;
    case Do::kRead:
      step.offset = at % 4;
      step.size = at % 3 == 0 ? 30'000 : 5;
      step.handle = handle;
      break;
    case Do::kWrite:
    case Do::kAppend:
      if (step.what == Do::kWrite) step.offset = at == 9 ? 9'000 : at;
      step.size = std::max<uint64_t>(1, kSizes[size % std::size(kSizes)]);
      step.seed = 1 + (at + size) % 3;
      step.handle = handle;
      break;
    case Do::kTruncate:
      step.offset = kSizes[size % std::size(kSizes)];
      step.handle = handle;
      break;
    case Do::kSync:
    case Do::kClose:
    case Do::kAbandon:
      step.handle = handle;
      break;
    case Do::kRename:
      step.to = kFiles[to % std::size(kFiles)];
      break;
    case Do::kMakeDirectory:
    case Do::kRemoveDirectory:
      step.path = kDirectories[path % 2];
      break;
    case Do::kSymlink:
      step.path = "l";
      step.to = kFiles[to % 3];
      break;
    case Do::kChmod:
      step.offset = at % 2 == 0 ? 0600 : 0755;
      break;
    case Do::kUtimens:
    case Do::kSetXattr:
      step.offset = 1000 + at;
      break;
    case Do::kStat:
      if (to == 3) step.path = "l";
      if (to == 4) step.path = kDirectories[path % 2];
      break;
    case Do::kList:
      step.path = to == 0 ? "" : kDirectories[path % 2];
      break;
    case Do::kUnlink:
      if (to == 3) step.path = "l";
      if (to == 4) step.path = "d";
      break;
    case Do::kToolPut:
      step.size = kSizes[size % std::size(kSizes)];
      step.seed = 1 + (at + size) % 3;
      if (to == 3) {
        step.path = "d/";
        step.size = 0;
      }
      break;
    case Do::kToolDelete:
      if (to == 3) step.path = "d/";
      if (to == 4) step.path = "l";
      break;
    case Do::kAdvance:
      step.offset = at % 2 == 0 ? 300 : 1500;
      break;
    default:
      break;
  }
  if (step.what >= Do::kToolPut || step.what == Do::kDiscard) step.fault.reset();
  return step;
}

inline rc::Gen<Case> AnyCase() {
  using rc::gen::inRange;
  auto steps = rc::gen::container<std::vector<Step>>(rc::gen::map(
      rc::gen::tuple(inRange(0, 40), inRange(0, 2), inRange(0, 5), inRange(0, 5), inRange(0, 4),
                     inRange(0, 7), inRange(0, 10), inRange(0, 6), inRange(0, 200)),
      StepOf));
  return rc::gen::map(rc::gen::pair(inRange<int>(0, std::size(kSettings)), std::move(steps)),
                      [](std::pair<int, std::vector<Step>> made) {
                        return Case{static_cast<Setting>(made.first), std::move(made.second)};
                      });
}

// --- Printing.

inline std::string FlagsText(uint32_t flags) {
  static constexpr std::pair<uint32_t, const char*> kNames[] = {
      {kOpenRead, "kOpenRead"},         {kOpenWrite, "kOpenWrite"},
      {kOpenCreate, "kOpenCreate"},     {kOpenExclusive, "kOpenExclusive"},
      {kOpenTruncate, "kOpenTruncate"}, {kOpenAppend, "kOpenAppend"}};
  std::string text;
  for (const auto& [flag, name] : kNames) {
    if ((flags & flag) != 0) absl::StrAppend(&text, text.empty() ? "" : " | ", name);
  }
  return text;
}

inline const char* OpText(Op op) {
  switch (op) {
    case Op::kPut:
      return "kPut";
    case Op::kCopy:
      return "kCopy";
    case Op::kDelete:
      return "kDelete";
    case Op::kDeleteMany:
      return "kDeleteMany";
    case Op::kHead:
      return "kHead";
    case Op::kList:
      return "kList";
    case Op::kGet:
      return "kGet";
    case Op::kCompleteUpload:
      return "kCompleteUpload";
    default:
      return "kUploadPart";
  }
}

inline std::string FaultText(const std::optional<Fault>& fault) {
  if (!fault) return "";
  return absl::StrCat(", .fault = Fault{Op::", OpText(fault->op), ", ", fault->nth,
                      ", FaultyStore::", fault->when == FaultyStore::kBefore ? "kBefore" : "kAfter",
                      "}");
}

inline const char* DoText(Do what) {
  static constexpr const char* kNames[] = {"kOpen",          "kRead",
                                           "kWrite",         "kAppend",
                                           "kTruncate",      "kSync",
                                           "kClose",         "kAbandon",
                                           "kCommit",        "kDiscard",
                                           "kUnlink",        "kRename",
                                           "kMakeDirectory", "kRemoveDirectory",
                                           "kSymlink",       "kChmod",
                                           "kUtimens",       "kSetXattr",
                                           "kStat",          "kList",
                                           "kToolPut",       "kToolDelete",
                                           "kAdvance"};
  return kNames[static_cast<int>(what)];
}

inline std::string TextOf(const Step& step) {
  std::string text = absl::StrCat("{.what = Do::", DoText(step.what));
  const bool tool = step.what >= Do::kToolPut;
  const bool by_handle = step.what >= Do::kRead && step.what <= Do::kAbandon;
  if (!tool && step.client != 0) absl::StrAppend(&text, ", .client = ", step.client);
  if (!by_handle && step.what != Do::kAdvance) {
    absl::StrAppend(&text, ", .path = \"", step.path, "\"");
  }
  if (!step.to.empty()) absl::StrAppend(&text, ", .to = \"", step.to, "\"");
  if (step.handle != 0) absl::StrAppend(&text, ", .handle = ", step.handle);
  if (step.flags != 0) absl::StrAppend(&text, ", .flags = ", FlagsText(step.flags));
  if (step.offset != 0) absl::StrAppend(&text, ", .offset = ", step.offset);
  if (step.size != 0) absl::StrAppend(&text, ", .size = ", step.size);
  if (step.seed != 0) absl::StrAppend(&text, ", .seed = ", step.seed);
  return absl::StrCat(text, FaultText(step.fault), "}");
}

inline void showValue(const Case& test, std::ostream& out) {
  out << "\nTEST(ModelTest, NAME) {\n  EXPECT_EQ(Play({Setting::"
      << kSettings[static_cast<int>(test.setting)] << ",\n";
  const char* before = "                  {";
  for (const Step& step : test.steps) {
    out << before << TextOf(step);
    before = ",\n                   ";
  }
  out << "}}),\n            \"\");\n}\n";
}

}  // namespace s3files::model

#endif  // S3FILES_TESTS_MODEL_CASES_H_
