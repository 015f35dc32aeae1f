#include "lib/store/object_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"

namespace s3files {
namespace {

constexpr size_t kFilePiece = size_t{256} << 10;
constexpr char kMagic[] = "s3files1";  // ends every object's file
constexpr size_t kFooter = 16;         // u64 size of the trailer before it, magic

void PutNumber(std::string* out, uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out->push_back(static_cast<char>(value >> shift));
}

void PutString(std::string* out, absl::string_view text) {
  PutNumber(out, text.size());
  out->append(text.data(), text.size());
}

// Reads what the two above wrote; once anything is out of bounds, everything after is empty.
class Decoder {
 public:
  explicit Decoder(absl::string_view bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  bool done() const { return bytes_.empty(); }
  uint64_t Number() {
    if (bytes_.size() < 8) return Fail();
    uint64_t value = 0;
    for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes_[i]);
    bytes_.remove_prefix(8);
    return value;
  }
  std::string String() {
    const uint64_t size = Number();
    if (size > bytes_.size()) {
      Fail();
      return "";
    }
    std::string text(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return text;
  }

 private:
  uint64_t Fail() {
    ok_ = false;
    bytes_ = absl::string_view();
    return 0;
  }
  absl::string_view bytes_;
  bool ok_ = true;
};

// One order for writing and reading.
template <typename Metadata>
auto HeadersOf(Metadata& metadata) {
  return std::array{&metadata.content_type,     &metadata.content_encoding,
                    &metadata.content_language, &metadata.content_disposition,
                    &metadata.cache_control,    &metadata.expires,
                    &metadata.storage_class};
}

template <typename Metadata>
auto EncryptionOf(Metadata& metadata) {
  return std::array{&metadata.encryption, &metadata.encryption_key,
                    &metadata.encryption_bucket_key};
}

void PutMap(std::string* out, const std::map<std::string, std::string>& map) {
  PutNumber(out, map.size());
  for (const auto& [name, value] : map) {
    PutString(out, name);
    PutString(out, value);
  }
}

std::map<std::string, std::string> TakeMap(Decoder* decoder) {
  std::map<std::string, std::string> map;
  for (uint64_t left = decoder->Number(); left > 0 && decoder->ok(); --left) {
    std::string name = decoder->String();
    map[std::move(name)] = decoder->String();
  }
  return map;
}

std::string EncodeTrailer(const Stamp& stamp, const ObjectMetadata& metadata,
                          const ObjectTags& tags) {
  std::string out;
  PutString(&out, stamp.version.etag());
  PutNumber(&out, static_cast<uint64_t>(stamp.last_modified_ns));
  for (const std::string* header : HeadersOf(metadata)) PutString(&out, *header);
  PutMap(&out, metadata.user);
  for (const std::string* header : EncryptionOf(metadata)) PutString(&out, *header);
  PutMap(&out, tags);
  PutNumber(&out, out.size());
  out.append(kMagic, 8);
  return out;
}

bool DecodeTrailer(absl::string_view bytes, ObjectFile* file) {
  ObjectInfo* const info = &file->info;
  Decoder decoder(bytes);
  const std::string etag = decoder.String();
  info->stamp = {Version::Of(etag), static_cast<int64_t>(decoder.Number())};
  for (std::string* header : HeadersOf(info->metadata)) *header = decoder.String();
  info->metadata.user = TakeMap(&decoder);
  if (!decoder.done()) {  // the first files of this kind ended here
    for (std::string* header : EncryptionOf(info->metadata)) *header = decoder.String();
    file->tags = TakeMap(&decoder);
    info->tag_count = static_cast<uint32_t>(file->tags.size());
  }
  return decoder.ok() && info->stamp.version.known();
}

// Fills `out` or fails; a shorter file is an error.
bool ReadAt(int fd, uint64_t offset, absl::Span<char> out) {
  while (!out.empty()) {
    const ssize_t n = pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      if (n == 0) errno = EIO;
      return false;
    }
    offset += static_cast<uint64_t>(n);
    out.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// Reads the trailer: one pread where it is of ordinary size.
absl::Status ReadInfo(const std::string& path, ObjectFile* file) {
  const int fd = file->fd.get();
  struct stat st;
  if (fstat(fd, &st) != 0) return SystemError(path);
  const auto file_size = static_cast<uint64_t>(st.st_size);
  const absl::Status foreign = Error(EIO, absl::StrCat(path, ": is not a file of this store"));
  if (!S_ISREG(st.st_mode) || file_size < kFooter) return foreign;
  char first[2048];
  std::string longer;
  absl::Span<char> tail(first, std::min<uint64_t>(sizeof first, file_size));
  if (!ReadAt(fd, file_size - tail.size(), tail)) return SystemError(path);
  const absl::string_view footer(tail.data() + tail.size() - kFooter, kFooter);
  if (footer.substr(8) != absl::string_view(kMagic, 8)) return foreign;
  const uint64_t size = Decoder(footer).Number();
  if (size > file_size - kFooter) return foreign;
  if (size + kFooter > tail.size()) {
    longer.resize(size + kFooter);
    tail = absl::MakeSpan(longer);
    if (!ReadAt(fd, file_size - tail.size(), tail)) return SystemError(path);
  }
  file->info.size = file_size - kFooter - size;
  const absl::string_view trailer(tail.data() + tail.size() - kFooter - size, size);
  return DecodeTrailer(trailer, file) ? absl::OkStatus() : foreign;
}

bool WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

absl::Status SystemError(absl::string_view what) {
  const int error = errno;
  char text[128] = "";
  return Error(error, absl::StrCat(what, ": ", strerror_r(error, text, sizeof text)));
}

absl::StatusOr<ObjectFile> OpenObjectFile(int directory, const std::string& path) {
  ObjectFile file;
  // O_NONBLOCK: whatever somebody dropped here, a pipe too, must not hold us up.
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  file.fd = Fd(openat(directory, path.c_str(), kFlags));
  if (!file.fd.ok()) {
    if (errno == ELOOP || errno == ENXIO) errno = EIO;  // a link, a socket: not ours
    return SystemError(path);
  }
  S3FILES_RETURN_IF_ERROR(ReadInfo(path, &file));
  return file;
}

absl::Status SendBytes(const CallContext& call, const ObjectFile& file, const ByteRange& range,
                       ByteSink& sink) {
  std::vector<char> buffer(std::min<uint64_t>(kFilePiece, range.size()));
  for (uint64_t at = range.begin; at < range.end;) {
    S3FILES_RETURN_IF_ERROR(call.Check("reading an object"));
    const auto piece =
        absl::MakeSpan(buffer).first(std::min<uint64_t>(buffer.size(), range.end - at));
    if (!ReadAt(file.fd.get(), at, piece)) return SystemError("reading an object");
    S3FILES_RETURN_IF_ERROR(sink.Write(at - range.begin, piece));
    at += piece.size();
  }
  return absl::OkStatus();
}

absl::StatusOr<ObjectFileWriter> ObjectFileWriter::Create(int temporaries) {
  for (;;) {
    std::string name = RandomId();
    Fd fd(openat(temporaries, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!fd.ok()) return SystemError("creating a temporary file");
    struct stat st;
    // A sweeper may have taken it for dead before it was locked; then another is made.
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
    if (fstat(fd.get(), &st) == 0 && st.st_nlink == 0) continue;
    return ObjectFileWriter(temporaries, std::move(name), std::move(fd));
  }
}

ObjectFileWriter::~ObjectFileWriter() {
  // A moved-from writer has no descriptor; a renamed one has no name.
  if (fd_.ok() && !name_.empty()) unlinkat(temporaries_, name_.c_str(), 0);
}

absl::Status ObjectFileWriter::Append(const CallContext& call, ByteSource& body) {
  const uint64_t size = body.size();
  for (uint64_t at = 0; at < size;) {
    S3FILES_RETURN_IF_ERROR(call.Check("writing an object"));
    if (pending_.size() >= kFilePiece) S3FILES_RETURN_IF_ERROR(Flush());
    const size_t before = pending_.size();
    const size_t piece = std::min<uint64_t>(kFilePiece - before, size - at);
    pending_.resize(before + piece);
    S3FILES_RETURN_IF_ERROR(body.Read(at, absl::MakeSpan(&pending_[before], piece)));
    at += piece;
  }
  size_ += size;
  return absl::OkStatus();
}

absl::Status ObjectFileWriter::AppendFrom(const CallContext& call, const ObjectFile& source,
                                          ByteRange range) {
  constexpr size_t kCopyPiece = size_t{16} << 20;
  S3FILES_RETURN_IF_ERROR(Flush());
  size_ += range.size();
  bool in_kernel = true;
  std::vector<char> buffer;
  while (!range.empty()) {
    S3FILES_RETURN_IF_ERROR(call.Check("copying an object"));
    if (in_kernel) {
      auto from = static_cast<off_t>(range.begin);
      const ssize_t n = copy_file_range(source.fd.get(), &from, fd_.get(), nullptr,
                                        std::min<uint64_t>(kCopyPiece, range.size()), 0);
      if (n > 0) range.begin += static_cast<uint64_t>(n);
      if (n > 0 || (n < 0 && errno == EINTR)) continue;
      in_kernel = false;  // not every file system can; a real error shows again below
      buffer.resize(kFilePiece);
    }
    const auto piece = absl::MakeSpan(buffer).first(std::min<uint64_t>(kFilePiece, range.size()));
    if (!ReadAt(source.fd.get(), range.begin, piece) ||
        !WriteAll(fd_.get(), absl::string_view(piece.data(), piece.size()))) {
      return SystemError("copying an object");
    }
    range.begin += piece.size();
  }
  return absl::OkStatus();
}

absl::Status ObjectFileWriter::Flush() {
  if (!WriteAll(fd_.get(), pending_)) return SystemError("writing an object");
  pending_.clear();
  return absl::OkStatus();
}

absl::Status ObjectFileWriter::Finish(int64_t now_ns, const ObjectMetadata& metadata,
                                      const ObjectTags& tags, bool fsync) {
  stamp_ = {Version::Of(RandomId()), now_ns};
  pending_ += EncodeTrailer(stamp_, metadata, tags);
  S3FILES_RETURN_IF_ERROR(Flush());
  pending_.shrink_to_fit();
  if (fsync && fdatasync(fd_.get()) != 0) return SystemError("writing an object");
  return absl::OkStatus();
}

bool ObjectFileWriter::RenameTo(int directory, const std::string& path) {
  if (renameat(temporaries_, name_.c_str(), directory, path.c_str()) != 0) return false;
  name_.clear();
  return true;
}

std::vector<std::string> NamesIn(int parent, const std::string& path) {
  std::vector<std::string> names;
  // Opened anew even for ".": the parent's own description has a position that threads share.
  const int fd = openat(parent, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return names;
  DIR* dir = fdopendir(fd);
  if (dir == nullptr) {
    close(fd);
    return names;
  }
  while (const dirent* entry = readdir(dir)) {
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(dir);
  return names;
}

void SweepTemporaries(int temporaries) {
  for (const std::string& name : NamesIn(temporaries, ".")) {
    const Fd fd(openat(temporaries, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat st;
    if (!fd.ok() || fstat(fd.get(), &st) != 0) continue;
    if (S_ISDIR(st.st_mode)) {
      RemoveFlatDirectory(temporaries, name);  // an ended upload: nobody needs it
    } else if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
      unlinkat(temporaries, name.c_str(), 0);  // whoever wrote it is dead
    }
  }
}

void RemoveFlatDirectory(int parent, const std::string& name) {
  for (const std::string& file : NamesIn(parent, name)) {
    unlinkat(parent, absl::StrCat(name, "/", file).c_str(), 0);
  }
  unlinkat(parent, name.c_str(), AT_REMOVEDIR);
}

absl::Status SyncDirectory(int parent, const std::string& path) {
  const Fd fd(openat(parent, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok() && errno == ENOENT) return absl::OkStatus();  // emptied and removed meanwhile
  if (!fd.ok() || ::fsync(fd.get()) != 0) return SystemError(path);
  return absl::OkStatus();
}

}  // namespace s3files
