// One file against a string: any sequence of calls, whatever fails, shows the bytes that were
// written, here and (once committed) to others. [C2] [W2] [W4] [W5] [W7] [M1]
#include <algorithm>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"
#include "tests/fs/host.h"

namespace s3files {
namespace {

constexpr uint64_t kLargest = 40 * kBlockSize;  // beyond the staged half of the memory

class FileModel {
 public:
  explicit FileModel(bool part_copy) : bucket_(Can(part_copy)), host_(bucket_, Options()) {
    handle_ = host_.Create(kFile);
  }
  ~FileModel() {
    if (handle_ != nullptr) host_.Abandon(std::move(handle_)).IgnoreError();
  }

  void Step() {
    const int what = *rc::gen::inRange(0, 16);
    RC_LOG() << Describe(what) << std::endl;
    if (what < 4) {
      Write(At(), Bytes());
    } else if (what < 8) {
      Write(staged_.size(), Bytes());
    } else if (what == 8) {
      Truncate(At());
    } else if (what < 12) {
      Read();
    } else if (what == 12) {
      Reopen();
    } else if (what == 13) {
      Discard();
    } else {
      Commit(*rc::gen::inRange(0, 4));
    }
    RC_ASSERT(host_.fs().GetStats().memory_staged <= Options().memory / 2);
    RC_ASSERT(handle_->content->size() == staged_.size());
  }

  void Finish() {
    host_.store().ClearLog();
    RC_ASSERT(host_.Read(*handle_) == staged_);
    RC_ASSERT(host_.Close(std::move(handle_)).ok());
    RC_ASSERT(bucket_.Get(kFile) == staged_);
    RC_ASSERT(host_.ReadFile(kFile) == staged_);
    host_.Vanish();
    RC_ASSERT(bucket_.PendingUploads() == 0u);
  }

 private:
  static Capabilities Can(bool part_copy) {
    Capabilities can = Bucket::SmallParts();
    can.part_copy = part_copy;
    return can;
  }
  static FileSystemOptions Options() {
    FileSystemOptions options = Host::Options();
    options.memory = 16 * kBlockSize;
    options.read_ahead = 4 * kBlockSize;
    return options;
  }
  static const char* Describe(int what) {
    static constexpr const char* kNames[] = {
        "write", "write", "write", "write", "append", "append",  "append", "append",
        "cut",   "read",  "read",  "read",  "reopen", "discard", "commit", "commit"};
    return kNames[what];
  }
  // Somewhere in the file or a little beyond.
  uint64_t At() {
    const uint64_t most = std::min<uint64_t>(staged_.size() + kBlockSize, kLargest);
    return *rc::gen::inRange<uint64_t>(0, most + 1);
  }
  std::string Bytes() {
    const size_t size = *rc::gen::inRange<size_t>(1, 5 * kBlockSize);
    return Noise(size, ++seed_);
  }

  void Write(uint64_t at, const std::string& bytes) {
    if (at + bytes.size() > kLargest) return;
    RC_ASSERT(host_.Write(*handle_, at, bytes).ok());
    staged_.resize(std::max<size_t>(staged_.size(), at + bytes.size()));
    staged_.replace(at, bytes.size(), bytes);
  }
  void Truncate(uint64_t size) {
    RC_ASSERT(host_.Truncate(*handle_, size).ok());
    staged_.resize(size);
  }
  void Read() {
    const uint64_t at = At();
    const size_t size = *rc::gen::inRange<size_t>(0, 3 * kBlockSize);
    const std::string expected = at < staged_.size() ? staged_.substr(at, size) : "";
    RC_ASSERT(host_.Read(*handle_, at, size) == expected);
  }
  void Reopen() {
    std::unique_ptr<Handle> next = host_.Open(kFile, kOpenRead | kOpenWrite);
    RC_ASSERT(host_.Close(std::exchange(handle_, std::move(next))).ok());
    committed_ = staged_;
    exists_ = true;
  }
  void Discard() {
    if (!exists_ || unsure_) return;  // then it is the file that goes
    RC_ASSERT(host_.Discard(kFile).ok());
    staged_ = committed_;
  }
  // 0: it works; else the request that publishes fails, before or after it was carried out.
  void Commit(int fault) {
    for (const Op op : {Op::kPut, Op::kCompleteUpload}) {
      if (fault == 1) host_.store().Fail(op, Error(EIO, "before"), FaultyStore::kBefore);
      if (fault == 2) host_.store().Fail(op, Error(EIO, "after"), FaultyStore::kAfter);
    }
    const absl::Status status = host_.Sync(*handle_);
    if (fault == 1 || fault == 2) {
      RC_ASSERT(status.ok() || ErrnoOf(status) == EIO);
      ClearFaults();
    } else {
      RC_ASSERT(status.ok());
    }
    if (status.ok()) {
      committed_ = staged_;
      exists_ = true;
      unsure_ = false;
      RC_ASSERT(bucket_.Get(kFile) == staged_);
    } else if (fault == 2) {
      unsure_ = true;
    }
  }
  // Spends the fault of whichever request was not made, on a key of nobody's.
  void ClearFaults() {
    MemorySource empty("");
    host_.store().Put(CallContext(), {}, empty).IgnoreError();
    host_.store().CompleteUpload(CallContext(), {}).IgnoreError();
  }

  Bucket bucket_;
  Host host_;
  std::unique_ptr<Handle> handle_;
  std::string staged_, committed_;
  bool exists_ = false;  // in the bucket
  bool unsure_ = false;  // a commit that failed may have happened
  uint64_t seed_ = 0;
};

void AnySequence(bool part_copy) {
  FileModel model(part_copy);
  const int steps = *rc::gen::inRange(1, 30);
  for (int i = 0; i < steps; ++i) model.Step();
  model.Finish();
}

RC_GTEST_PROP(AnySequenceTest, AnySequenceOfCallsReadsAndCommitsWhatWasWritten, ()) {
  AnySequence(true);
}

RC_GTEST_PROP(AnySequenceTest, TheSameOnAStoreThatCannotCopyParts, ()) { AnySequence(false); }

}  // namespace
}  // namespace s3files
