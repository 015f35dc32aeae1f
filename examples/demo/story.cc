#include "examples/demo/story.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "examples/demo/text.h"

namespace demo {
namespace {

using s3files::open_flags;

// A file that fits into memory twice without a thought; the largest of these shows most.
std::string PickFile(const Tree& tree, const std::string& other_than) {
  constexpr uint64_t kHandy = 8 << 20;
  std::string best;
  uint64_t best_size = 0;
  for (const std::string& file : tree.files) {
    const uint64_t size = tree.SizeOf(file);
    if (size > kHandy || file == other_than) continue;
    if (best.empty() || size > best_size) {
      best = file;
      best_size = size;
    }
  }
  return best.empty() ? tree.files.front() : best;
}

std::vector<std::string> Sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names;
}

std::string Speed(const Totals& totals, size_t files) {
  const double per_second = static_cast<double>(files) / std::max(totals.seconds, 1e-6);
  return Rate(totals.bytes, totals.seconds) + ", " +
         Count(static_cast<uint64_t>(per_second), "file") + " a second";
}

void PrintRow(const char* name, const std::string& value) {
  std::printf("   %-10s %s\n", name, value.c_str());
}

}  // namespace

Story::Story(const Tree& tree, const Bucket& bucket, Claims& claims)
    : tree_(tree),
      bucket_(bucket),
      claims_(claims),
      fs_(bucket.Open([this](const s3files::event& event) {
        if (event.kind == s3files::event_kind::conflict) lost_and_found_ = event.detail;
      })),
      other_(bucket.Open()),
      edited_(PickFile(tree, "")),
      appended_(PickFile(tree, edited_)) {}

void Story::Tell() {
  CopyTree();
  EditInPlace();
  Append();
  Conflict();
  CompareWithCurl();
  PrintTable();
}

void Story::CopyTree() {
  claims_.Section("Copy the tree in, " + Count(kThreads, "thread"));
  written_ = CopyIn(tree_, fs_);
  claims_.Check(fs_.stats().staged_files == 0,
                Count(tree_.files.size(), "file") + " in " +
                    Count(tree_.directories.size(), "directory", "directories") +
                    " written and committed: " + Bytes(written_.bytes) + " in " +
                    Seconds(written_.seconds));
  const Listed listed = ListAll(other_);
  claims_.Check(Sorted(listed.files) == Sorted(tree_.files) &&
                    Sorted(listed.directories) == Sorted(tree_.directories) &&
                    listed.bytes == written_.bytes,
                "a second file system on the bucket lists the same names and as many bytes");
  read_ = Compare(tree_, other_);
  claims_.Check(read_.bytes == written_.bytes,
                "it reads the same bytes in every file, in " + Seconds(read_.seconds));
}

void Story::EditInPlace() {
  claims_.Section("Edit " + edited_ + " in place");
  const std::string before = tree_.ReadFile(edited_);
  const std::string patch = "<edited in place>";
  const size_t middle = before.size() / 2;
  edited_bytes_ = before;
  edited_bytes_.replace(middle, patch.size(), patch);

  s3files::file file = fs_.open(edited_, open_flags::read | open_flags::write);
  file.pwrite(patch.data(), patch.size(), middle);
  claims_.Check(ReadAll(fs_, edited_) == edited_bytes_,
                Count(patch.size(), "byte") + " overwritten at " + Count(middle) + " of " +
                    Count(before.size()) + ": every open file here sees them at once");
  claims_.Check(ReadElsewhere(edited_) == before,
                "a second process that opens the file still reads the bytes before the edit");
  file.close();
  claims_.Check(ReadElsewhere(edited_) == edited_bytes_,
                "after close, a second process that opens it reads the edited bytes");
}

void Story::Append() {
  claims_.Section("Append to " + appended_);
  const std::string line = "/* appended through s3files */\n";
  s3files::file file = fs_.open(appended_, open_flags::write | open_flags::append);
  const uint64_t at = file.append(line.data(), line.size());
  file.close();
  std::string expected = appended_ == edited_ ? edited_bytes_ : tree_.ReadFile(appended_);
  claims_.Check(at == expected.size(), Count(line.size(), "byte") + " appended at " + Count(at));
  expected += line;
  claims_.Check(ReadElsewhere(appended_) == expected, "a second process reads the file whole");
  if (appended_ == edited_) edited_bytes_ = expected;
}

void Story::Conflict() {
  const std::string path = "conflict.txt";
  claims_.Section("Two processes change " + path);
  WriteElsewhere(path, "first\n");
  const std::string ours = "ours\n", theirs = "theirs, a moment earlier\n";
  s3files::file file = fs_.open(path, open_flags::read | open_flags::write);
  file.truncate(0);
  file.pwrite(ours.data(), ours.size(), 0);
  WriteElsewhere(path, theirs);
  std::error_code code;
  file.close(code);
  claims_.Check(code.value() == ESTALE, "another process was first: our close reports ESTALE");
  if (code) claims_.Note(s3files::last_error().message());
  claims_.Check(ReadAll(fs_, path) == theirs, "nothing of theirs is lost: " + path + " has it");
  claims_.Check(!lost_and_found_.empty() && ReadAll(fs_, lost_and_found_) == ours,
                "nothing of ours is lost: " + lost_and_found_ + " has it");
  claims_.Check(fs_.stats().conflicts == 1 && fs_.stats().commit_failures == 0,
                "of all commits so far only this one failed");
}

void Story::CompareWithCurl() {
  claims_.Section("Read " + edited_ + " with curl");
  const std::string object = bucket_.GetWithCurl(edited_);
  claims_.Check(object == edited_bytes_,
                "one file is one object: curl gets the same " + Count(object.size(), "byte"));
}

void Story::PrintTable() {
  const s3files::statistics a = fs_.stats(), b = other_.stats();
  std::string requests;
  const auto add = [&](const char* kind, uint64_t s3f_stats::*counter) {
    const uint64_t sent = a.*counter + b.*counter;
    if (sent > 0) requests += (requests.empty() ? "" : ", ") + Count(sent) + " " + kind;
  };
  add("PUT", &s3f_stats::put);
  add("GET", &s3f_stats::get);
  add("HEAD", &s3f_stats::head);
  add("LIST", &s3f_stats::list);
  add("COPY", &s3f_stats::copy);
  add("DELETE", &s3f_stats::del);
  add("CREATE UPLOAD", &s3f_stats::create_upload);
  add("UPLOAD PART", &s3f_stats::upload_part);
  add("COPY PART", &s3f_stats::copy_part);
  add("COMPLETE UPLOAD", &s3f_stats::complete_upload);
  add("ABORT UPLOAD", &s3f_stats::abort_upload);
  add("other", &s3f_stats::other);

  std::printf("\n");
  PrintRow("files", Count(tree_.files.size()));
  PrintRow("bytes", Bytes(written_.bytes));
  PrintRow("written", Speed(written_, tree_.files.size()));
  PrintRow("read", Speed(read_, tree_.files.size()));
  PrintRow("requests", requests);
  PrintRow("errors", Count(a.commit_failures, "failed commit") + ", " +
                         Count(a.conflicts, "conflict") + ", " +
                         Count(a.retries + b.retries, "retry", "retries") + "; " +
                         Count(a.request_errors + b.request_errors, "reply", "replies") +
                         " of 400 and above (a name that is not there: 404, the conflict: 412)");
  std::fflush(stdout);
}

std::string Story::ReadElsewhere(const std::string& path) const {
  return Run({OwnProgram(), kReadVerb, bucket_.url(), path});
}

void Story::WriteElsewhere(const std::string& path, const std::string& bytes) const {
  Run({OwnProgram(), kWriteVerb, bucket_.url(), path}, bytes);
}

bool EmptyBucket(const Bucket& bucket) {
  RemoveAll(bucket.Open());
  const Listed left = ListAll(bucket.Open());
  return left.files.empty() && left.directories.empty();
}

}  // namespace demo
