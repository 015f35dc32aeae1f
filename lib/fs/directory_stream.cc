#include "lib/fs/directory_stream.h"

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/wait.h"

namespace s3files {
namespace {

constexpr uint64_t kMarkEvery = 1000;
// More entries than a directory has: cookies from here on are of iterations by name.
constexpr uint64_t kFirstNamed = uint64_t{1} << 40;

absl::Status NoSuchCookie(uint64_t cookie) {
  return Error(EINVAL, absl::StrCat("no entry has the cookie ", cookie));
}

}  // namespace

struct DirectoryStream::PageAhead {
  absl::Mutex mu;  // leaf
  absl::CondVar changed;
  bool begun ABSL_GUARDED_BY(mu) = false;  // by whoever comes first: a thread, or the reader
  bool over ABSL_GUARDED_BY(mu) = false;
  absl::StatusOr<std::optional<ListPage>> page ABSL_GUARDED_BY(mu) = std::nullopt;
};

absl::StatusOr<std::vector<DirectoryEntry>> DirectoryStream::Read(
    const CallContext& call, size_t most, uint64_t cookie,
    const std::optional<std::string>& after_name, uint32_t mask) {
  {
    absl::MutexLock lock(&mu_);
    S3FILES_RETURN_IF_ERROR(WaitUntil(call, mu_, turn_over_, "waiting to read a directory", [&] {
      mu_.AssertHeld();
      return !taken_;
    }));
    taken_ = true;
  }
  auto entries = ReadInTurn(call, most, cookie, after_name, mask);
  absl::MutexLock lock(&mu_);
  taken_ = false;
  turn_over_.Signal();
  return entries;
}

absl::StatusOr<std::vector<DirectoryEntry>> DirectoryStream::ReadInTurn(
    const CallContext& call, size_t most, uint64_t cookie,
    const std::optional<std::string>& after_name, uint32_t mask) {
  S3FILES_RETURN_IF_ERROR(Seek(call, cookie, after_name));
  std::vector<DirectoryEntry> entries;
  ListedEntry listed;
  bool local = false;
  while (entries.size() < most) {
    S3FILES_ASSIGN_OR_RETURN(const bool more, Next(call, &listed, &local));
    if (!more) break;
    entries.push_back(EntryFor(listed, local));
  }
  if ((mask & kInfoNeedsHead) != 0) S3FILES_RETURN_IF_ERROR(Fill(call, entries));
  return entries;
}

absl::Status DirectoryStream::Seek(const CallContext& call, uint64_t cookie,
                                   const std::optional<std::string>& after_name) {
  if (after_name) {
    named_ = {(named_.first / kFirstNamed + 1) * kFirstNamed, *after_name};
    Restart(named_.first, after_name);
    return absl::OkStatus();
  }
  if (started_ && cookie == position_.cookie) return absl::OkStatus();
  // Somewhere else: from the last mark before it.
  uint64_t from = 0;
  std::optional<std::string> after;
  if (cookie >= kFirstNamed) {
    if (cookie / kFirstNamed != named_.first / kFirstNamed) return NoSuchCookie(cookie);
    std::tie(from, after) = named_;
  }
  for (const auto& [mark, name] : marks_) {
    if (mark > cookie || cookie >= kFirstNamed) break;
    from = mark;
    after = name;
  }
  Restart(from, after);
  ListedEntry skipped;
  bool local = false;
  while (position_.cookie < cookie) {
    S3FILES_ASSIGN_OR_RETURN(const bool more, Next(call, &skipped, &local));
    if (!more) {
      Restart(0, std::nullopt);
      return NoSuchCookie(cookie);
    }
  }
  return absl::OkStatus();
}

void DirectoryStream::Restart(uint64_t cookie, const std::optional<std::string>& after) {
  started_ = true;
  position_ = Position();
  position_.cookie = cookie;
  position_.prefix = parts_.names->SourceDirectoryKey(directory_);
  if (after) {
    position_.filter = true;
    position_.after = *after;
    position_.start_after = StartAfterFor(position_.prefix, *after);
  } else {
    marks_.clear();
  }
  std::vector<std::string> local;
  for (const InodePtr& child : parts_.names->Children(directory_)) {
    std::string name = parts_.names->NameOf(child);
    const bool moved_here = parts_.names->MoveOf(child).directory != nullptr;
    absl::MutexLock lock(&child->mu);
    const bool staged_only =
        child->content != nullptr && child->content->staged() && child->committed.version.absent();
    if (moved_here || staged_only || child->conflict) local.push_back(std::move(name));
  }
  if (directory_ == parts_.names->root() &&
      parts_.names->HasChildren(parts_.names->lost_and_found())) {
    local.push_back(kLostAndFound);
  }
  std::sort(local.begin(), local.end(),
            [](const std::string& a, const std::string& b) { return After(b, a); });
  position_.local.assign(local.begin(), local.end());
  absl::MutexLock lock(&directory_->mu);
  position_.local_only = directory_->directory.local;
}

absl::StatusOr<bool> DirectoryStream::NextListed(const CallContext& call) {
  Position& at = position_;
  if (at.next) return true;
  if (at.local_only) return false;
  ListedEntry entry;
  while (true) {
    while (at.merger.Next(&entry)) {
      if (at.filter && !After(entry.name, at.after)) continue;
      at.next = std::move(entry);
      return true;
    }
    ReportSkipped();
    if (at.last_page) return false;
    S3FILES_ASSIGN_OR_RETURN(std::optional<ListPage> page, NextPage(call));
    if (!page) {  // from the last name on, where the store has the directory now
      Restart(at.cookie, at.filter ? std::optional<std::string>(at.after) : std::nullopt);
      continue;
    }
    at.token = page->next_token;
    at.merger.AddPage(*std::move(page), at.prefix);
    if (at.token.empty()) {
      at.last_page = true;
      at.merger.Finish();
    } else if (++at.pages > 1) {  // most iterations end, or are given up, with the first page
      AskAhead();
    }
  }
}

absl::StatusOr<std::optional<ListPage>> DirectoryStream::NextPage(const CallContext& call) {
  Position& at = position_;
  if (const std::shared_ptr<PageAhead> ahead = at.ahead) {
    absl::MutexLock lock(&ahead->mu);
    if (ahead->begun) {
      S3FILES_RETURN_IF_ERROR(
          WaitUntil(call, ahead->mu, ahead->changed, "waiting for a page of a directory", [&] {
            ahead->mu.AssertHeld();
            return ahead->over;
          }));
    }
    ahead->begun = true;
    at.ahead = nullptr;
    // That it failed then is nobody's concern: now it is asked for.
    if (ahead->over && ahead->page.ok()) return *std::move(ahead->page);
  }
  return parts_.importer->ListPageOf(call, directory_, at.prefix,
                                     at.token.empty() ? at.start_after : "", at.token);
}

void DirectoryStream::AskAhead() {
  position_.ahead = std::make_shared<PageAhead>();
  parts_.executor->Submit([importer = parts_.importer, directory = directory_,
                           prefix = position_.prefix, token = position_.token,
                           ahead = position_.ahead] {
    {
      absl::MutexLock lock(&ahead->mu);
      if (std::exchange(ahead->begun, true)) return;
    }
    auto page = importer->ListPageOf(CallContext(), directory, prefix, "", token);
    absl::MutexLock lock(&ahead->mu);
    ahead->page = std::move(page);
    ahead->over = true;
    ahead->changed.SignalAll();
  });
}

absl::StatusOr<bool> DirectoryStream::Next(const CallContext& call, ListedEntry* entry,
                                           bool* local) {
  Position& at = position_;
  while (true) {
    S3FILES_ASSIGN_OR_RETURN(const bool listed, NextListed(call));
    if (!listed && at.local.empty()) return false;
    *local = !at.local.empty() && (!listed || !After(at.local.front(), at.next->name));
    if (*local) {
      const bool also_listed = listed && at.local.front() == at.next->name;
      *entry = ListedEntry();
      entry->name = std::move(at.local.front());
      at.local.pop_front();
      if (also_listed) at.next.reset();  // committed since the iteration began
      if (at.filter && !After(entry->name, at.after)) continue;
    } else {
      *entry = *std::exchange(at.next, std::nullopt);
    }
    at.filter = true;
    at.after = entry->name;
    ++at.cookie;
    if (at.cookie % kMarkEvery == 0 && at.cookie < kFirstNamed &&
        (marks_.empty() || marks_.back().first < at.cookie)) {
      marks_.emplace_back(at.cookie, entry->name);
    }
    return true;
  }
}

void DirectoryStream::ReportSkipped() {
  const std::vector<std::string> skipped = position_.merger.TakeSkipped();
  if (skipped.empty()) return;
  parts_.count_skipped(skipped.size());
  for (const std::string& key : skipped) {
    parts_.events->OnEvent({EventKind::kKeySkipped, key, absl::OkStatus(),
                            "the key cannot be a path, or a directory has the same name", 0});
  }
}

DirectoryEntry DirectoryStream::EntryFor(const ListedEntry& listed, bool local) {
  DirectoryEntry entry;
  entry.cookie = position_.cookie;
  entry.name = listed.name;
  const InodePtr known = parts_.names->Child(directory_, listed.name);
  if (known != nullptr) {
    entry.info = InfoOf(*known);
    absl::MutexLock lock(&known->mu);
    const bool staged = known->Staged();
    // Of the version that is listed we know more than the listing says.
    const bool same =
        known->type == FileType::kDirectory
            ? listed.is_directory
            : !listed.is_directory && known->committed.version == listed.stamp.version;
    if (local || staged || same) return entry;
  }
  entry.info = FileInfo();
  entry.info.filled = kInfoType | kInfoSize | kInfoVersion | kInfoIno | kInfoBlocks;
  std::tie(entry.info.ino, entry.info.generation) = parts_.names->IdOf(directory_, listed.name);
  entry.info.attributes.type = listed.is_directory ? FileType::kDirectory : FileType::kFile;
  entry.info.attributes.mtime_ns = listed.stamp.last_modified_ns;
  entry.info.size = listed.size;
  entry.info.version = listed.stamp.version;
  if (parts_.importer->policy().listed_only) {
    entry.info.attributes = AttributesOf({listed.size, listed.stamp, {}}, listed.is_directory,
                                         parts_.importer->policy().defaults);
    entry.info.ctime_ns = entry.info.atime_ns = listed.stamp.last_modified_ns;
    entry.info.filled |= kInfoNeedsHead;
  }
  return entry;
}

absl::Status DirectoryStream::Fill(const CallContext& call, std::vector<DirectoryEntry>& entries) {
  std::vector<DirectoryEntry*> open;
  for (DirectoryEntry& entry : entries) {
    if ((entry.info.filled & kInfoNeedsHead) != kInfoNeedsHead) open.push_back(&entry);
  }
  absl::Mutex mu;
  absl::Status first_error;  // guarded by mu
  ParallelFor(parts_.executor, open.size(), [&](size_t i) {
    const absl::Status status = FillEntry(call, *open[i]);
    absl::MutexLock lock(&mu);
    first_error.Update(status);
  });
  return first_error;
}

absl::Status DirectoryStream::FillEntry(const CallContext& call, DirectoryEntry& entry) {
  S3FILES_ASSIGN_OR_RETURN(
      const InodePtr inode,
      parts_.importer->Lookup(call, directory_, entry.name, Freshness::kRecent));
  if (inode == nullptr) return absl::OkStatus();  // gone since; what was listed is told
  if (inode->type == FileType::kDirectory) {
    S3FILES_RETURN_IF_ERROR(parts_.importer->FillDirectory(call, inode));
  }
  entry.info = InfoOf(*inode);
  return absl::OkStatus();
}

}  // namespace s3files
