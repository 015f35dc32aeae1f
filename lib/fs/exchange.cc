// FileSystem: two files change places.
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/fs/file_system.h"

namespace s3files {
namespace {

// Clearing up goes on after the call that failed has lost its patience.
constexpr int64_t kPatienceNs = 20'000'000'000;

CallContext Patient() {
  CallContext call;
  call.deadline_ns = MonotonicNanos() + kPatienceNs;
  return call;
}

bool NeverCommitted(const Inode& inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(inode.mu) {
  return inode.content->committed_base() == nullptr && inode.committed.version.absent() &&
         inode.unresolved.empty();
}

}  // namespace

// One file of the two: where it stands, and where it is to stand.
struct FileSystem::Exchange {
  struct Side {
    InodePtr inode;
    std::shared_ptr<Content> content;
    BasePtr base;
    ObjectMetadata metadata;
    bool tagged = false;
    Stamp moved;  // under the other's key
  };
  Side a, b;
  std::string temporary;  // beside b
  absl::Status cleared;   // whether that could be removed in the end
};

absl::Status FileSystem::ExchangeFiles(const CallContext& call, const InodePtr& source,
                                       const Place& from, Place& to) {
  S3FILES_ASSIGN_OR_RETURN(const InodePtr target,
                           Find(call, to, Freshness::kNow, /*follow=*/false));
  S3FILES_RETURN_IF_ERROR(CheckNamed(to));
  S3FILES_RETURN_IF_ERROR(CheckTake(call, to.directory, target));
  S3FILES_RETURN_IF_ERROR(CheckMake(call, from.directory).status());
  if (source == target) return absl::OkStatus();
  for (const InodePtr& inode : {source, target}) {
    if (inode->type == FileType::kDirectory) {
      return Error(ENOTSUP, absl::StrCat("/", names_.PathOf(inode),
                                         " is a directory: only files can be exchanged"));
    }
  }
  if (from.directory == names_.lost_and_found() || to.directory == names_.lost_and_found()) {
    return Error(EPERM, absl::StrCat("files in /", kLostAndFound, " cannot be exchanged"));
  }
  S3FILES_RETURN_IF_ERROR(committer_->SettleBarriers(call));
  S3FILES_RETURN_IF_ERROR(committer_->SettleMoves(call, names_.KeyOf(source)));
  S3FILES_RETURN_IF_ERROR(committer_->SettleMoves(call, names_.KeyOf(target)));
  DeferredEvents events(events_);
  S3FILES_ASSIGN_OR_RETURN(const auto busy, AcquireBoth(call, source, target));
  if (!StillAt(source, from) || !StillAt(target, to)) return NameChanged();
  return ExchangeBusy(call, source, target, events);
}

absl::Status FileSystem::ExchangeBusy(const CallContext& call, const InodePtr& a, const InodePtr& b,
                                      DeferredEvents& events) {
  bool never_committed = true;
  for (const InodePtr& inode : {a, b}) {
    absl::MutexLock lock(&inode->mu);
    never_committed = never_committed && NeverCommitted(*inode);
  }
  Exchange exchange;
  exchange.a.inode = a;
  exchange.b.inode = b;
  if (never_committed) {
    for (const InodePtr& inode : {a, b}) committer_->DropEarlyUpload(call, inode);
  } else {
    for (Exchange::Side* side : {&exchange.a, &exchange.b}) {
      S3FILES_RETURN_IF_ERROR(committer_->CommitBusy(call, side->inode, events));
      S3FILES_RETURN_IF_ERROR(committer_->AdoptOwn(call, side->inode).status());
      S3FILES_RETURN_IF_ERROR(committer_->KeepBorrowed(call, side->inode));
      absl::MutexLock lock(&side->inode->mu);
      if (side->inode->conflict || side->inode->removed) {
        return Error(ESTALE, "one of the two files was replaced in the store");
      }
      side->content = side->inode->content;
      side->base = side->content->committed_base();
      side->metadata = side->inode->metadata.Get();
      side->tagged = side->inode->tag_count > 0;
    }
    const std::string directory = names_.DirectoryKey(names_.ParentOf(b));
    exchange.temporary = absl::StrCat(directory, kTemporaryName, RandomId());
    S3FILES_RETURN_IF_ERROR(ExchangeObjects(call, exchange));
    const int64_t now = clock_->MonotonicNanos();
    for (Exchange::Side* side : {&exchange.a, &exchange.b}) {
      absl::MutexLock lock(&side->inode->mu);
      side->inode->committed = side->moved;
      side->inode->validated_ns = now;
    }
  }
  names_.Exchange(a, b);
  committer_->RecordBoth(a, b);
  for (const InodePtr& inode : {a, b}) {
    absl::MutexLock lock(&inode->mu);
    inode->exclusive = false;
    ++inode->epoch;
  }
  return exchange.cleared.ok()
             ? absl::OkStatus()
             : Annotate(exchange.cleared,
                        absl::StrCat("exchanged, but the temporary copy ", exchange.temporary,
                                     " could not be removed"));
}

// a to the temporary key, b to a's, the temporary one to b's: handles move along before their bytes
// go, and at every instant both files stand under some key.
absl::Status FileSystem::ExchangeObjects(const CallContext& call, Exchange& exchange) {
  Exchange::Side& a = exchange.a;
  Exchange::Side& b = exchange.b;
  // As Copy, but after a lost reply the object itself is asked whether it is the copy.
  auto copy = [&](const Exchange::Side& side, const BasePtr& from, const std::string& key,
                  const Version& expected) -> absl::StatusOr<Stamp> {
    const CopyJob job{from, key, side.metadata, expected, RandomId(), side.tagged};
    absl::StatusOr<Stamp> stamp = writer_.Copy(call, job);
    if (stamp.ok() || !IsAmbiguous(stamp.status())) return stamp;
    const absl::StatusOr<ObjectInfo> now = store_->Head(Patient(), key);
    if (!now.ok()) return stamp;
    return CommitIdOf(now->metadata) == job.commit_id ? now->stamp : stamp;
  };
  auto at = [](const std::string& key, const Stamp& stamp, const BasePtr& of) {
    return std::make_shared<const Base>(key, stamp.version, of->size);
  };

  const auto kept = copy(a, a.base, exchange.temporary, Version::Absent());
  if (!kept.ok()) {
    store_->Delete(Patient(), exchange.temporary, Precondition::None()).IgnoreError();
    return kept.status();
  }
  const BasePtr temporary = at(exchange.temporary, *kept, a.base);
  a.content->Rename(temporary);
  const auto b_moved = copy(b, b.base, a.base->key, a.base->version);
  if (!b_moved.ok()) return ExchangeBack(exchange, b_moved.status());
  b.moved = *b_moved;
  b.content->Rename(at(a.base->key, b.moved, b.base));
  const auto a_moved = copy(a, temporary, b.base->key, b.base->version);
  if (!a_moved.ok()) {
    const auto undone = copy(a, temporary, a.base->key, b.moved.version);
    if (!undone.ok()) {
      Doubt(exchange);
      return Annotate(a_moved.status(), absl::StrCat("what was in ", a.base->key, " is in ",
                                                     exchange.temporary, " now"));
    }
    a.base = at(a.base->key, *undone, a.base);
    b.content->Rename(b.base);
    {
      absl::MutexLock lock(&a.inode->mu);
      a.inode->committed = *undone;
    }
    return ExchangeBack(exchange, a_moved.status());
  }
  a.moved = *a_moved;
  a.content->Rename(at(b.base->key, a.moved, a.base));
  // Nobody else knows its name.
  exchange.cleared = store_->Delete(Patient(), exchange.temporary, Precondition::None());
  return absl::OkStatus();
}

// What the store has under the two keys is no longer sure: the next lookups ask.
void FileSystem::Doubt(const Exchange& exchange) {
  for (const InodePtr& inode : {exchange.a.inode, exchange.b.inode}) {
    absl::MutexLock lock(&inode->mu);
    inode->validated_ns = 0;
    ++inode->epoch;
  }
}

// Nothing has changed but that there is a temporary copy. Where that is not sure, it stays.
absl::Status FileSystem::ExchangeBack(const Exchange& exchange, const absl::Status& why) {
  const Exchange::Side& a = exchange.a;
  Doubt(exchange);
  if (IsAmbiguous(why)) {
    const absl::StatusOr<ObjectInfo> now = store_->Head(Patient(), a.base->key);
    if (!now.ok() || now->stamp.version != a.base->version) {
      return Annotate(
          why, absl::StrCat("what was in ", a.base->key, " is in ", exchange.temporary, ", too"));
    }
  }
  a.content->Rename(a.base);
  store_->Delete(Patient(), exchange.temporary, Precondition::None()).IgnoreError();
  return ErrnoOf(why) == EEXIST ? Error(ESTALE, why.message(), ReplyOf(why)) : why;
}

}  // namespace s3files
