// A large file is uploaded while it is still being written, and leaves nothing where it fails.

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "tests/proofs/s3_fixture.h"

namespace s3files::proofs {
namespace {

using server::Fault;
using server::LogEntry;

// The most requests that were under way at one moment.
size_t MostAtOnce(const std::vector<LogEntry>& requests) {
  size_t most = 0;
  for (const LogEntry& moment : requests) {
    const auto under_way = [&](const LogEntry& r) {
      return r.start_us <= moment.start_us && moment.start_us < r.end_us;
    };
    most = std::max<size_t>(most, std::count_if(requests.begin(), requests.end(), under_way));
  }
  return most;
}

class EarlyUpload : public OnS3 {
 protected:
  // Writes `size` bytes from the start, a MiB at a time.
  static file WriteInOrder(const file_system& fs, size_t size) {
    file out = fs.open("large", open_flags::write | open_flags::create);
    for (size_t at = 0; at < size; at += kMiB) {
      const std::string piece = Pattern(kMiB, at);
      out.pwrite(piece.data(), piece.size(), at);
    }
    return out;
  }

  static void ExpectWritten(const file_system& fs, size_t size) {
    const file in = fs.open("large", open_flags::read);
    ASSERT_EQ(in.stat().size, size);
    std::string piece(kMiB, '\0');
    for (size_t at = 0; at < size; at += kMiB) {
      ASSERT_EQ(in.pread(piece.data(), piece.size(), at), piece.size());
      ASSERT_EQ(piece, Pattern(kMiB, at)) << "at " << at;
    }
  }

  void ExpectNothingLeft() const {
    EXPECT_EQ(CountObjects(), 0u);
    EXPECT_EQ(CountPendingUploads(), 0u);
  }
};

TEST_F(EarlyUpload, PartsGoOutBeforeCloseAndSeveralAtOnce) {
  server_->AddFault({.operation = "UploadPart", .latency_ms = 200});
  const file_system fs = Open();
  file out = WriteInOrder(fs, 128 * kMiB);
  const int64_t closing_us = static_cast<int64_t>(s3f_now_ns() / 1000);
  out.close();
  const std::vector<LogEntry> parts = Requests("UploadPart");
  EXPECT_EQ(parts.size(), 128 / 8);
  EXPECT_LT(parts.front().start_us, closing_us);
  EXPECT_GE(MostAtOnce(parts), 4u);
  EXPECT_EQ(CountPendingUploads(), 0u);
  ExpectWritten(Open(), 128 * kMiB);
}

TEST_F(EarlyUpload, AnAbandonedWriterLeavesNothing) {
  const file_system fs = Open();
  file out = WriteInOrder(fs, 64 * kMiB);
  out.abandon();
  EXPECT_EQ(Requests("CreateMultipartUpload").size(), 1u) << "there was an upload to abandon";
  ExpectNothingLeft();
}

TEST_F(EarlyUpload, AnAbandonedWriterLeavesNothingOfPartsUnderWay) {
  server_->AddFault({.operation = "UploadPart", .latency_ms = 300});
  const file_system fs = Open();
  WriteInOrder(fs, 64 * kMiB).abandon();
  ExpectNothingLeft();
}

TEST_F(EarlyUpload, ClosingTheFileSystemAbortsUploads) {
  file_system fs = Open();
  const file out = WriteInOrder(fs, 64 * kMiB);
  fs.close_discarding();
  ExpectNothingLeft();
}

TEST_F(EarlyUpload, APartThatFailsLeavesNoUploadAndKeepsTheBytes) {
  server_->AddFault({.operation = "UploadPart", .skip = 2, .status = 403, .code = "AccessDenied"});
  const file_system fs = Open();
  file out = WriteInOrder(fs, 64 * kMiB);
  std::error_code code;
  out.close(code);
  EXPECT_EQ(code.value(), EACCES);
  ExpectNothingLeft();
  EXPECT_EQ(fs.status("large").state, staged_state::failed);
  server_->ClearFaults();
  fs.commit("large");
  EXPECT_EQ(CountPendingUploads(), 0u);
  ExpectWritten(Open(), 64 * kMiB);
}

TEST_F(EarlyUpload, AConflictAtCompleteLeavesNoUpload) {
  const file_system fs = Open();
  const file_system other = Open();
  file out = WriteInOrder(fs, 64 * kMiB);
  WriteAll(other, "large", "theirs");
  std::error_code code;
  out.close(code);
  EXPECT_EQ(code.value(), ESTALE);
  EXPECT_EQ(Requests("CompleteMultipartUpload").back().status, 412);
  EXPECT_EQ(CountPendingUploads(), 0u);
  EXPECT_EQ(ReadAll(fs, "large"), "theirs");
}

TEST_F(EarlyUpload, WhatIsRewrittenAfterItsPartWentOutIsUploadedAgain) {
  const file_system fs = Open();
  file out = WriteInOrder(fs, 64 * kMiB);
  out.pwrite("changed", 7, 12345);
  out.truncate(60 * kMiB + 1);
  out.close();
  std::string expected;
  for (size_t at = 0; at < 64 * kMiB; at += kMiB) expected += Pattern(kMiB, at);
  expected.replace(12345, 7, "changed");
  expected.resize(60 * kMiB + 1);
  EXPECT_TRUE(ReadAll(Open(), "large") == expected);
}

}  // namespace
}  // namespace s3files::proofs
