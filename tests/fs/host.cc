#include "tests/fs/host.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace s3files {
namespace {

constexpr uint64_t kMost = uint64_t{1} << 30;

const char* NameOf(Op op) {
  switch (op) {
    case Op::kProbe:
      return "PROBE";
    case Op::kHead:
      return "HEAD";
    case Op::kGet:
      return "GET";
    case Op::kGetTags:
      return "GET-TAGS";
    case Op::kPut:
      return "PUT";
    case Op::kDelete:
      return "DELETE";
    case Op::kDeleteMany:
      return "DELETE-MANY";
    case Op::kList:
      return "LIST";
    case Op::kCopy:
      return "COPY";
    case Op::kCreateUpload:
      return "CREATE";
    case Op::kUploadPart:
      return "PART";
    case Op::kCopyPart:
      return "COPY-PART";
    case Op::kCompleteUpload:
      return "COMPLETE";
    case Op::kAbortUpload:
      return "ABORT";
    case Op::kListParts:
      return "LIST-PARTS";
    case Op::kListUploads:
      return "LIST-UPLOADS";
  }
  return "?";
}

std::string ErrnoText(const absl::Status& status) {
  return absl::StrCat("errno ", ErrnoOf(status));
}

}  // namespace

void Bucket::Put(const std::string& key, absl::string_view bytes, const ObjectMetadata& metadata,
                 const ObjectTags& tags) {
  PutRequest request;
  request.key = key;
  request.metadata = metadata;
  request.tags = tags;
  MemorySource source(bytes);
  ASSERT_TRUE(store_->Put(CallContext(), request, source).ok()) << key;
}

void Bucket::Delete(const std::string& key) {
  ASSERT_TRUE(store_->Delete(CallContext(), key, Precondition::None()).ok()) << key;
}

std::optional<std::string> Bucket::Get(const std::string& key) const {
  StringSink sink(kMost);
  GetRequest request;
  request.key = key;
  const absl::Status status = store_->Get(CallContext(), request, sink).status();
  if (ErrnoOf(status) == ENOENT) return std::nullopt;
  EXPECT_TRUE(status.ok()) << status;
  return std::move(sink.bytes());
}

ObjectInfo Bucket::Head(const std::string& key) const {
  return store_->Head(CallContext(), key).value();
}

ObjectTags Bucket::Tags(const std::string& key) const {
  return store_->GetTags(CallContext(), key).value();
}

std::vector<std::string> Bucket::Keys() const {
  std::vector<std::string> keys;
  ListRequest request;
  request.hierarchical = false;
  do {
    const ListPage page = store_->List(CallContext(), request).value();
    for (const ListedObject& object : page.objects) keys.push_back(object.key);
    request.token = page.next_token;
  } while (!request.token.empty());
  return keys;
}

size_t Bucket::PendingUploads() const {
  return store_->ListUploads(CallContext(), "").value().size();
}

FileSystemOptions Host::Options() {
  FileSystemOptions options;
  options.memory = 8 << 20;
  options.spill_dir = testing::TempDir();
  options.read_ahead = 0;
  options.parallel = 4;
  options.unpacked_limit = 1;  // so that whatever can be packed at any time is
  options.parts.part_size = Bucket::kPart;
  options.parts.multipart_threshold = 2 * Bucket::kPart;
  return options;
}

Host::Host(const Bucket& bucket, const std::string& state_dir, const FileSystemOptions& options,
           Clock* clock)
    : store_(std::make_shared<FaultyStore>(bucket.store())),
      fs_(std::make_unique<FileSystem>(store_, options, this, clock,
                                       Journal::Open(state_dir, "memory://test").value())) {
  EXPECT_EQ(fs_->Recover(call), absl::OkStatus());
}

Host::Host(const Bucket& bucket, const std::string& state_dir, const FileSystemOptions& options,
           ConflictJudge* judge)
    : store_(std::make_shared<FaultyStore>(bucket.store())),
      fs_(std::make_unique<FileSystem>(store_, options, this, Clock::System(),
                                       Journal::Open(state_dir, "memory://test").value(), judge)) {
  EXPECT_EQ(fs_->Recover(call), absl::OkStatus());
}

std::unique_ptr<Handle> Host::Open(absl::string_view path, uint32_t flags) {
  return fs_->Open(call, nullptr, path, flags, 0666).value();
}

absl::Status Host::TryOpen(absl::string_view path, uint32_t flags) {
  absl::StatusOr<std::unique_ptr<Handle>> handle = fs_->Open(call, nullptr, path, flags, 0666);
  if (!handle.ok()) return handle.status();
  return Abandon(*std::move(handle));
}

std::string Host::Read(Handle& handle, uint64_t offset, size_t size) {
  const uint64_t end = std::max(handle.content->size(), offset);
  std::string bytes(std::min<uint64_t>(size, end - offset), '\0');
  const absl::StatusOr<size_t> n = fs_->Read(call, handle, offset, absl::MakeSpan(bytes));
  if (!n.ok()) return ErrnoText(n.status());
  bytes.resize(*n);
  return bytes;
}

std::string Host::ReadFile(absl::string_view path) {
  absl::StatusOr<std::unique_ptr<Handle>> handle = fs_->Open(call, nullptr, path, kOpenRead, 0);
  if (!handle.ok()) return ErrnoText(handle.status());
  std::string bytes = Read(**handle);
  EXPECT_TRUE(Close(*std::move(handle)).ok());
  return bytes;
}

std::vector<std::string> Host::List(absl::string_view path, size_t page) {
  std::vector<std::string> names;
  absl::StatusOr<std::unique_ptr<Handle>> handle =
      fs_->Open(call, nullptr, path, kOpenDirectory, 0);
  if (!handle.ok()) return {ErrnoText(handle.status())};
  for (uint64_t cookie = 0;;) {
    const auto entries = fs_->ReadDirectory(call, **handle, page, cookie, std::nullopt, 0);
    if (!entries.ok()) names.push_back(ErrnoText(entries.status()));
    if (!entries.ok() || entries->empty()) break;
    for (const DirectoryEntry& entry : *entries) names.push_back(entry.name);
    cookie = entries->back().cookie;
  }
  EXPECT_TRUE(Close(*std::move(handle)).ok());
  return names;
}

absl::Status Host::WriteFile(absl::string_view path, absl::string_view bytes) {
  S3FILES_ASSIGN_OR_RETURN(
      std::unique_ptr<Handle> handle,
      fs_->Open(call, nullptr, path, kOpenWrite | kOpenCreate | kOpenTruncate, 0666));
  const absl::Status status = Write(*handle, 0, bytes);
  if (!status.ok()) {
    Abandon(std::move(handle)).IgnoreError();
    return status;
  }
  return Close(std::move(handle));
}

std::string Host::Requests() {
  const std::vector<LoggedCall> calls = store_->log();
  store_->ClearLog();
  return absl::StrJoin(calls, ", ", [](std::string* out, const LoggedCall& call) {
    absl::StrAppend(out, NameOf(call.op), " ", call.key);
  });
}

std::vector<Event> Host::events() const {
  absl::MutexLock lock(&mu_);
  return events_;
}

std::vector<Event> Host::events(EventKind kind) const {
  std::vector<Event> matching;
  for (Event& event : events()) {
    if (event.kind == kind) matching.push_back(std::move(event));
  }
  return matching;
}

bool Host::AwaitEvents(EventKind kind, size_t n) const {
  absl::MutexLock lock(&mu_);
  auto arrived = [this, kind, n]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    size_t count = 0;
    for (const Event& event : events_) count += event.kind == kind ? 1 : 0;
    return count >= n;
  };
  return mu_.AwaitWithTimeout(absl::Condition(&arrived), absl::Seconds(30));
}

void Host::OnEvent(const Event& event) {
  absl::MutexLock lock(&mu_);
  events_.push_back(event);
}

std::string Noise(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

}  // namespace s3files
