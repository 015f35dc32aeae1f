#include "lib/journal/rescue.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/journal/journal_copy.h"
#include "lib/journal/journal_database.h"
#include "lib/journal/move_row.h"
#include "lib/journal/row_bytes.h"

namespace s3files {
namespace {

void Add(std::string* message, absl::string_view what) {
  absl::StrAppend(message, message->empty() ? "" : "; ", what);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Rescue>> Rescue::Open(const std::string& state_dir) {
  S3FILES_ASSIGN_OR_RETURN(std::unique_ptr<StateDir> dir, StateDir::OpenToRead(state_dir));
  std::unique_ptr<Rescue> rescue(new Rescue(std::move(dir)));
  S3FILES_RETURN_IF_ERROR(rescue->ReadJournal());
  rescue->FindStrangers();
  for (const Found& found : rescue->found_) {
    rescue->Load(found);
    if (!rescue->entry_.message.empty()) rescue->whole_ = false;
  }
  if (!rescue->damage_.empty()) rescue->whole_ = false;
  rescue->CloseFiles();
  rescue->entry_ = Entry();
  return rescue;
}

Rescue::~Rescue() { CloseFiles(); }

absl::Status Rescue::ReadJournal() {
  S3FILES_ASSIGN_OR_RETURN(const std::unique_ptr<JournalCopy> copy,
                           JournalCopy::Make(dir_->journal_path()));
  damage_ = copy->damage();
  JournalDatabase database(copy->path());
  std::string damaged;
  if (absl::Status status = database.OpenDamaged(&damaged); !status.ok()) {
    damaged = std::string(status.message());
  } else {
    url_ = database.Url().value_or("");
    const auto gaps = database.ForEachReadable([&](uint64_t id, absl::string_view bytes) {
      absl::string_view body = bytes;
      const std::optional<RowKind> kind = OpenRow(&body);
      // Those that tell how far a commit has come, and in what order, are nothing to save.
      if (kind == RowKind::kUpload || kind == RowKind::kCopies || kind == RowKind::kBarrier) return;
      found_.push_back({Kind::kStaged, id, std::string(bytes)});
    });
    for (const JournalDatabase::Gap& gap : gaps) {
      std::string rows = absl::StrCat("rows from ", gap.first, " on");
      if (gap.last < INT64_MAX - 1) rows = absl::StrCat("rows ", gap.first, " to ", gap.last);
      if (gap.last == gap.first) rows = absl::StrCat("row ", gap.first);
      found_.push_back({Kind::kDamaged, gap.first, absl::StrCat(rows, ": ", gap.why)});
    }
  }
  if (!damaged.empty()) Add(&damage_, damaged);
  std::sort(found_.begin(), found_.end(),
            [](const Found& a, const Found& b) { return a.id < b.id; });
  return absl::OkStatus();
}

void Rescue::FindStrangers() {
  std::set<std::string> known;
  for (const Found& found : found_) {
    absl::string_view body = found.bytes;
    if (found.kind != Kind::kStaged || OpenRow(&body) != RowKind::kStaged) continue;
    for (const SavedOverlay& overlay : StagedRow::Decode(body).overlays) known.insert(overlay.file);
  }
  std::vector<std::string> strangers;
  std::error_code error;
  std::filesystem::directory_iterator files(dir_->staged_path(), error), end;
  for (; !error && files != end; files.increment(error)) {
    std::string name = files->path().filename().string();
    if (!known.contains(name)) strangers.push_back(std::move(name));
  }
  if (error) Add(&damage_, absl::StrCat(dir_->staged_path(), ": ", error.message()));
  std::sort(strangers.begin(), strangers.end());
  for (std::string& name : strangers) found_.push_back({Kind::kStranger, 0, std::move(name)});
}

bool Rescue::Next() {
  if (next_ == found_.size()) {
    CloseFiles();
    entry_ = Entry();
    return false;
  }
  Load(found_[next_++]);
  return true;
}

void Rescue::Load(const Found& found) {
  CloseFiles();
  entry_ = Entry();
  entry_.kind = found.kind;
  entry_.id = found.id;
  if (found.kind == Kind::kDamaged) {
    entry_.message = found.bytes;
    return;
  }
  if (found.kind == Kind::kStranger) {
    entry_.row.path = found.bytes;
    const int file = OpenFile(found.bytes, &entry_.size);
    if (file == kNoFile) return;
    Lay({0, entry_.size}, Where::kHere, {file});
    entry_.staged_bytes = entry_.size;
    return;
  }
  absl::string_view body = found.bytes;
  const std::optional<RowKind> kind = OpenRow(&body);
  if (kind == RowKind::kMove) {
    const MoveRow move = MoveRow::Decode(body);
    entry_.kind = Kind::kRename;
    entry_.row.path = move.path;
    entry_.row.attributes.type = FileType::kDirectory;
    entry_.row.lost = StagedRow::Lost{move.origin, "", {}};
  } else if (kind == RowKind::kStaged) {
    entry_.row = StagedRow::Decode(body);
    if (entry_.row.lost) entry_.kind = Kind::kConflict;
    LayOut(entry_.row);
  } else {
    entry_.kind = Kind::kDamaged;
    entry_.message = absl::StrCat("row ", found.id, ": its bytes are not those that were written");
  }
}

// Layer over layer, as Overlay and Content read them.
void Rescue::LayOut(const StagedRow& row) {
  entry_.size = row.base ? row.base->size : 0;
  Lay({0, entry_.size}, Where::kInStore, Source());
  RangeSet staged;
  for (const SavedOverlay& overlay : row.overlays) {
    const uint64_t below = std::min(overlay.below, entry_.size);
    Lay({below, std::max(entry_.size, overlay.size)}, Where::kHere, Source());
    uint64_t file_size = 0;
    const int file = overlay.file.empty() ? kNoFile : OpenFile(overlay.file, &file_size);
    uint64_t end = 0;
    for (const ByteRange& range : overlay.staged) {
      const ByteRange here = Intersect(range, {0, file_size});
      if (!here.empty()) Lay(here, Where::kHere, {file});
      const ByteRange lost = Intersect(range, {file_size, UINT64_MAX});
      if (!lost.empty()) Lay(lost, Where::kLost, Source());
      staged.Add(range);
      end = std::max(end, range.end);
    }
    if (file != kNoFile && end > file_size) {
      Add(&entry_.message, absl::StrCat("staged/", overlay.file, " was cut short: it has ",
                                        file_size, " bytes, not ", end));
    }
    if (overlay.file.empty()) LayPacked(overlay);
    entry_.size = overlay.size;
    staged.Remove({overlay.size, UINT64_MAX});
    pieces_.erase(pieces_.lower_bound(entry_.size), pieces_.end());
    if (!pieces_.empty()) {
      Piece& last = pieces_.rbegin()->second;
      last.end = std::min(last.end, entry_.size);
    }
  }
  entry_.staged_bytes = staged.total();
}

void Rescue::LayPacked(const SavedOverlay& overlay) {
  uint64_t taken = 0;
  for (const ByteRange& range : overlay.staged) {
    if (overlay.packed.size() - taken < range.size()) {
      return Add(&entry_.message, "its row was cut short");
    }
    Lay(range, Where::kHere, {kNoFile, &overlay.packed, range.begin - taken});
    taken += range.size();
  }
}

// Over what is there already.
void Rescue::Lay(const ByteRange& range, Where where, const Source& source) {
  if (range.empty()) return;
  auto it = pieces_.upper_bound(range.begin);
  if (it != pieces_.begin()) --it;
  while (it != pieces_.end() && it->first < range.end) {
    const uint64_t begin = it->first;
    const Piece piece = it->second;
    if (piece.end <= range.begin) {
      ++it;
      continue;
    }
    it = pieces_.erase(it);
    if (begin < range.begin) pieces_[begin] = {range.begin, piece.where, piece.source};
    if (piece.end > range.end) pieces_[range.end] = piece;
  }
  pieces_[range.begin] = {range.end, where, source};
}

int Rescue::OpenFile(const std::string& name, uint64_t* size) {
  const std::string path = absl::StrCat(dir_->staged_path(), "/", name);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    Add(&entry_.message,
        absl::StrCat("staged/", name, ": ", fd < 0 ? strerror(errno) : "not a file"));
    if (fd >= 0) close(fd);
    return kNoFile;
  }
  *size = static_cast<uint64_t>(info.st_size);
  files_.push_back(fd);
  return fd;
}

void Rescue::CloseFiles() {
  for (const int fd : files_) close(fd);
  files_.clear();
  pieces_.clear();
}

std::vector<Rescue::Range> Rescue::Ranges(uint64_t offset, size_t count) const {
  std::vector<Range> ranges;
  auto it = pieces_.upper_bound(offset);
  if (it != pieces_.begin()) --it;
  for (; it != pieces_.end(); ++it) {
    const auto& [begin, piece] = *it;
    if (piece.end <= offset) continue;
    if (!ranges.empty() && ranges.back().where == piece.where) {
      ranges.back().range.end = piece.end;
      continue;
    }
    if (ranges.size() == count) break;
    ranges.push_back({{std::max(begin, offset), piece.end}, piece.where});
  }
  return ranges;
}

absl::StatusOr<size_t> Rescue::Read(uint64_t offset, absl::Span<char> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t at = offset + done;
    auto it = pieces_.upper_bound(at);
    if (it == pieces_.begin()) break;
    const Piece& piece = (--it)->second;
    if (piece.end <= at) break;
    if (piece.where != Where::kHere) {
      if (done > 0) break;
      return Error(ENODATA,
                   absl::StrCat("byte ", at, " of /", entry_.row.path,
                                piece.where == Where::kLost
                                    ? absl::StrCat(" is lost: ", entry_.message)
                                    : " is not staged: it is in the store, in the version that the "
                                      "change was made on"));
    }
    const size_t most = static_cast<size_t>(std::min<uint64_t>(out.size() - done, piece.end - at));
    if (piece.source.file == kNoFile) {
      if (piece.source.packed != nullptr) {
        std::memcpy(out.data() + done, piece.source.packed->data() + (at - piece.source.origin),
                    most);
      } else {
        std::memset(out.data() + done, 0, most);
      }
      done += most;
      continue;
    }
    const ssize_t n = pread(piece.source.file, out.data() + done, most, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 && done > 0) break;
    if (n <= 0) {
      return Error(EIO, absl::StrCat("byte ", at, " of /", entry_.row.path, " cannot be read: ",
                                     n < 0 ? strerror(errno) : "its file was cut short"));
    }
    done += static_cast<size_t>(n);
  }
  return done;
}

}  // namespace s3files
