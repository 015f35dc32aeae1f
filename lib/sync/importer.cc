#include "lib/sync/importer.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"
#include "lib/base/wait.h"
#include "lib/inode/path.h"
#include "lib/sync/new_object.h"

namespace s3files {
namespace {

bool IsKnownFile(const Inode& inode) {
  absl::MutexLock lock(&inode.mu);
  return inode.content != nullptr;
}

// Whether that is its name, or was its last one. Nothing is bound in a directory that is gone.
bool StandsAt(const Names& names, const InodePtr& inode, const InodePtr& directory,
              absl::string_view name) {
  return names.ParentOf(inode) == directory && names.NameOf(inode) == name;
}

// Whether a file in the directory, however deep, is staged.
bool HoldsStaged(const Names& names, const InodePtr& directory) {
  for (const InodePtr& child : names.Children(directory)) {
    if (child->type == FileType::kDirectory) {
      if (HoldsStaged(names, child)) return true;
      continue;
    }
    absl::MutexLock lock(&child->mu);
    if (child->Staged()) return true;
  }
  return false;
}

}  // namespace

bool Importer::Recent(int64_t since_ns) const {
  return since_ns != 0 && clock_->MonotonicNanos() - since_ns < policy_.attribute_timeout_ns;
}

void Importer::NoteExists(const InodePtr& directory) {
  const int64_t now = clock_->MonotonicNanos();
  absl::MutexLock lock(&directory->mu);
  directory->directory.Mutable().exists_ns = now;
}

// What was seen once is not believed to be absent by an older listing.
void Importer::NoteFound(const InodePtr& directory, absl::string_view name) {
  const int64_t now = clock_->MonotonicNanos();
  absl::MutexLock lock(&directory->mu);
  DirectoryState& state = directory->directory.Mutable();
  state.exists_ns = now;
  state.absent.erase(name);
  if (state.listing && !state.listing->names.contains(name)) {
    state.listing->names.insert(std::string(name));
  }
}

void Importer::NoteAbsent(const InodePtr& directory, absl::string_view name, uint64_t made) {
  if (policy_.attribute_timeout_ns == 0) return;
  const int64_t now = clock_->MonotonicNanos();
  absl::MutexLock lock(&directory->mu);
  DirectoryState& state = directory->directory.Mutable();
  if (state.made != made) return;
  if (state.absent.size() >= DirectoryState::kMostAbsent) state.absent.clear();
  state.absent[name] = now;
}

bool Importer::KnownAbsent(const DirectoryState& directory, absl::string_view name) const {
  const auto absent = directory.absent.find(name);
  return absent != directory.absent.end() && Recent(absent->second);
}

// The store has nothing of it, whatever was seen before.
absl::Status Importer::NoDirectory(const InodePtr& directory) {
  {
    absl::MutexLock lock(&directory->mu);
    DirectoryState& state = directory->directory.Mutable();
    state.exists_ns = 0;
    state.marker.reset();
    state.listing.reset();
  }
  return Error(ENOENT, absl::StrCat("no directory /", names_->PathOf(directory)));
}

void Importer::NoteMarker(const InodePtr& directory, const std::optional<Stamp>& marker) {
  absl::MutexLock lock(&directory->mu);
  directory->directory.Mutable().marker = marker;
}

void Importer::NoteCreated(const InodePtr& directory, absl::string_view name) {
  absl::MutexLock lock(&directory->mu);
  DirectoryState& state = directory->directory.Mutable();
  if (state.listing) state.listing->names.insert(std::string(name));
  state.absent.erase(name);
  ++state.made;
  state.changed_ns = clock_->WallNanos();
}

void Importer::NoteRemoved(const InodePtr& directory, absl::string_view name) {
  absl::MutexLock lock(&directory->mu);
  DirectoryState& state = directory->directory.Mutable();
  if (state.listing) state.listing->names.erase(std::string(name));
  if (state.spare_children > 0) --state.spare_children;
  state.changed_ns = clock_->WallNanos();
}

// What is known already, as far as `freshness` lets it count.
absl::StatusOr<Importer::Known> Importer::Recall(const CallContext& call, const InodePtr& inode,
                                                 Freshness freshness, uint64_t* epoch) const {
  absl::MutexLock lock(&inode->mu);
  if (inode->type == FileType::kDirectory) {
    return Recent(inode->directory->exists_ns) ? Known::kAnswer : Known::kAsk;
  }
  if (inode->Staged()) return Known::kAnswer;
  // In the middle of a rename or removal the store's answer would mean nothing.
  S3FILES_RETURN_IF_ERROR(
      WaitForOthers(call, inode->mu, inode->changed, "waiting for a rename or removal", [&] {
        inode->mu.AssertHeld();
        return !inode->busy;
      }));
  if (inode->removed) return Known::kGone;
  *epoch = inode->epoch;
  const bool may_be_old = freshness == Freshness::kRemembered || freshness == Freshness::kRecent;
  return may_be_old && Recent(inode->validated_ns) ? Known::kAnswer : Known::kAsk;
}

absl::StatusOr<InodePtr> Importer::Lookup(const CallContext& call, const InodePtr& directory,
                                          absl::string_view name, Freshness freshness,
                                          Expect expect) {
  while (true) {
    InodePtr known = names_->Child(directory, name);
    uint64_t made;
    {
      absl::MutexLock lock(&directory->mu);
      const DirectoryState& state = *directory->directory;
      if (state.local) return known;
      made = state.made;
      if (freshness == Freshness::kRemembered && known == nullptr && KnownAbsent(state, name)) {
        return InodePtr();
      }
    }
    if (known == names_->lost_and_found()) return known;
    // A name that is being asked for has an inode, so that a creation, rename or removal of ours
    // meanwhile shows in its epoch.
    if (known == nullptr) known = names_->Bind(directory, name, FileType::kFile);
    uint64_t epoch = 0;
    S3FILES_ASSIGN_OR_RETURN(const Known recalled, Recall(call, known, freshness, &epoch));
    if (recalled == Known::kAnswer) return known;
    if (recalled == Known::kGone) continue;
    // Renamed while it was waited for: the answer to this name would be taken for the other's.
    if (!StandsAt(*names_, known, directory, name)) continue;

    bool probed = false;
    bool is_directory = false;
    std::optional<Stamp> marker;
    if (known->type == FileType::kDirectory) {
      if (names_->KeepsMove(known)) return known;  // joined; the store will have it
      probed = true;
      S3FILES_ASSIGN_OR_RETURN(is_directory, ProbeDirectory(call, directory, name, &marker));
      if (is_directory) {
        NoteExists(known);
        if (marker) NoteMarker(known, marker);
        return known;
      }
      // Files that are staged but not committed keep their directory.
      if (HoldsStaged(*names_, known)) return known;
      NoteEmpty(known);
      names_->Unbind(known);
      known = names_->Bind(directory, name, FileType::kFile);
      if (known->type != FileType::kFile) continue;
      {
        absl::MutexLock lock(&known->mu);
        epoch = known->epoch;
      }
      if (!StandsAt(*names_, known, directory, name)) continue;
    }

    if (!probed && expect == Expect::kDirectory && !IsKnownFile(*known)) {
      probed = true;
      S3FILES_ASSIGN_OR_RETURN(is_directory, ProbeDirectory(call, directory, name, &marker));
    }
    if (!is_directory) {
      absl::StatusOr<InodePtr> file = LookupFile(call, directory, name, freshness, known, epoch);
      if (file.ok()) {
        if (*file == nullptr) continue;
        NoteFound(directory, name);
        return file;
      }
      if (ErrnoOf(file.status()) != ENOENT) return file.status();
    }
    if (!NoteGone(known, epoch)) continue;
    if (!probed) {
      S3FILES_ASSIGN_OR_RETURN(is_directory, ProbeDirectory(call, directory, name, &marker));
    }
    if (!is_directory) {
      NoteAbsent(directory, name, made);
      return InodePtr();
    }
    InodePtr found = names_->Bind(directory, name, FileType::kDirectory);
    if (found->type != FileType::kDirectory) continue;
    NoteExists(found);
    NoteFound(directory, name);
    if (marker) NoteMarker(found, marker);
    return found;
  }
}

absl::StatusOr<InodePtr> Importer::LookupFile(const CallContext& call, const InodePtr& directory,
                                              absl::string_view name, Freshness freshness,
                                              const InodePtr& known, uint64_t epoch) {
  const std::string key = names_->SourceChildKey(directory, name);
  if (names_->MovedAway(directory, name)) return Error(ENOENT, key + " was moved away");
  bool with_bytes = freshness == Freshness::kNowToRead;
  if (with_bytes) {
    absl::MutexLock lock(&known->mu);
    const BasePtr base = known->content == nullptr ? nullptr : known->content->base();
    with_bytes = base == nullptr || !fetcher_->Resident(*base);
  }
  Fetcher::Opened opened;
  if (with_bytes) {
    S3FILES_ASSIGN_OR_RETURN(opened, fetcher_->Open(call, key));
  } else {
    S3FILES_ASSIGN_OR_RETURN(opened.info, store_->Head(call, key));
    opened.base = std::make_shared<const Base>(key, opened.info.stamp.version, opened.info.size);
  }
  return Import(directory, name, known, epoch, std::move(opened));
}

InodePtr Importer::Import(const InodePtr& directory, absl::string_view name, const InodePtr& known,
                          uint64_t epoch, Fetcher::Opened&& opened) {
  const FileType type = AttributesOf(opened.info, false, policy_.defaults).type;
  if (known->type == type) {
    return ImportInto(known, epoch, std::move(opened)) ? known : nullptr;
  }
  if (!NoteGone(known, epoch)) return nullptr;  // became another type
  InodePtr inode = names_->Bind(directory, name, type);
  if (inode->type != type) return nullptr;
  // Where another thread bound it first, what that one learned may be newer than what we did.
  return ImportInto(inode, 0, std::move(opened)) ? inode : nullptr;
}

bool Importer::ImportInto(const InodePtr& inode, uint64_t epoch, Fetcher::Opened&& opened) {
  absl::MutexLock lock(&inode->mu);
  if (inode->Staged()) return true;  // joined after all
  if (inode->busy || inode->epoch != epoch) return false;
  const BasePtr old = inode->content == nullptr ? nullptr : inode->content->base();
  if (old != nullptr && !inode->content->retired() && old->version == opened.info.stamp.version &&
      old->size == opened.info.size && old->key == opened.base->key) {
    fetcher_->cache()->Move(opened.base->id, old->id, 0);  // the first bytes came with the answer
  } else if (old != nullptr && !inode->content->retired() &&
             inode->MayHaveWritten(opened.info.metadata)) {
    // A change of attributes whose reply was lost: the same bytes, so that handles follow.
    inode->content->Rename(opened.base);
    ++inode->epoch;
  } else {
    // A write needs no lock of the inode: it may have been staged just now.
    if (inode->content != nullptr && !inode->content->RetireUnlessStaged()) return true;
    inode->content = std::make_shared<Content>(opened.base, fetcher_, spill_);
    inode->ctime_ns = 0;  // Last-Modified says it
    ++inode->epoch;
  }
  inode->attributes = AttributesOf(opened.info, false, policy_.defaults);
  inode->committed = opened.info.stamp;
  inode->metadata = std::move(opened.info.metadata);
  inode->tag_count = opened.info.tag_count;
  inode->full = true;
  inode->validated_ns = clock_->MonotonicNanos();
  return true;
}

bool Importer::NoteGone(const InodePtr& inode, uint64_t epoch) {
  {
    absl::MutexLock lock(&inode->mu);
    if (inode->removed) return true;  // who asked at the same time was told the same
    if (inode->busy || inode->epoch != epoch) return false;
    if (!inode->change->empty()) return false;
    if (inode->content != nullptr && !inode->content->RetireUnlessStaged()) return false;
    inode->removed = true;
    ++inode->epoch;
  }
  names_->Unbind(inode);
  return true;
}

void Importer::NoteEmpty(const InodePtr& directory) {
  for (const InodePtr& child : names_->Children(directory)) {
    if (child->type == FileType::kDirectory) NoteEmpty(child);
    absl::MutexLock lock(&child->mu);
    // What is being renamed or removed just now is for whoever does it to settle.
    if (child->Staged() || child->busy || child->type == FileType::kDirectory) continue;
    if (child->content != nullptr && !child->content->RetireUnlessStaged()) continue;
    child->removed = true;
    ++child->epoch;
  }
}

absl::StatusOr<bool> Importer::ProbeDirectory(const CallContext& call, const InodePtr& directory,
                                              absl::string_view name,
                                              std::optional<Stamp>* marker) {
  const std::string rest = name.empty() ? "" : absl::StrCat(name, "/");
  while (true) {
    const uint64_t landings = names_->landings();
    if (names_->MovedAway(directory, rest)) return false;
    ListRequest request;
    request.prefix = names_->SourceChildKey(directory, rest);
    request.hierarchical = false;
    request.max_keys = 1;
    S3FILES_ASSIGN_OR_RETURN(const ListPage page, store_->List(call, request));
    if (names_->landings() != landings) continue;
    if (page.objects.empty()) return false;
    if (page.objects[0].key == request.prefix) *marker = page.objects[0].stamp;
    return true;
  }
}

absl::Status Importer::CheckDirectory(const CallContext& call, const InodePtr& directory) {
  if (directory == names_->root()) return absl::OkStatus();
  {
    absl::MutexLock lock(&directory->mu);
    if (directory->directory->local || Recent(directory->directory->exists_ns)) {
      return absl::OkStatus();
    }
  }
  std::optional<Stamp> marker;
  S3FILES_ASSIGN_OR_RETURN(const bool exists, ProbeDirectory(call, directory, "", &marker));
  if (!exists && !names_->KeepsMove(directory)) return NoDirectory(directory);
  NoteExists(directory);
  if (marker) NoteMarker(directory, marker);
  return absl::OkStatus();
}

absl::Status Importer::FillDirectory(const CallContext& call, const InodePtr& directory) {
  bool local = policy_.listed_only || (directory == names_->root() && names_->prefix().empty());
  uint64_t epoch;
  {
    absl::MutexLock lock(&directory->mu);
    const bool settled = directory->directory->local || directory->removed;
    if (directory->full && (settled || Recent(directory->validated_ns))) return absl::OkStatus();
    local = local || directory->directory->local;
    epoch = directory->epoch;
  }
  Attributes attributes = ImpliedDirectory(policy_.defaults);
  ObjectMetadata metadata;
  if (!local) {
    const uint64_t landings = names_->landings();
    absl::StatusOr<ObjectInfo> info = store_->Head(call, names_->SourceDirectoryKey(directory));
    if (names_->landings() != landings) return FillDirectory(call, directory);
    if (info.ok()) {
      attributes = AttributesOf(*info, true, policy_.defaults);
      metadata = std::move(info->metadata);
    } else if (ErrnoOf(info.status()) != ENOENT) {
      return info.status();
    }
  }
  absl::ReleasableMutexLock lock(&directory->mu);
  if (directory->epoch != epoch) {  // changed by us since it was asked for
    lock.Release();
    return FillDirectory(call, directory);
  }
  directory->attributes = attributes;
  directory->metadata = std::move(metadata);
  directory->full = true;
  directory->validated_ns = clock_->MonotonicNanos();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Importer::ReadLink(const CallContext& call, const InodePtr& symlink) {
  std::shared_ptr<Content> content;
  {
    absl::MutexLock lock(&symlink->mu);
    content = symlink->content;
  }
  if (symlink->type != FileType::kSymlink || content == nullptr) {
    return Error(EINVAL, absl::StrCat("/", names_->PathOf(symlink), " is not a symlink"));
  }
  std::string target(content->size(), '\0');
  S3FILES_ASSIGN_OR_RETURN(const size_t n, content->Read(call, 0, absl::MakeSpan(target)));
  target.resize(n);
  return target;
}

absl::Status Importer::CheckEmpty(const CallContext& call, const InodePtr& directory) {
  const std::string path = names_->PathOf(directory);
  if (HoldsStaged(*names_, directory)) {
    return Error(ENOTEMPTY, absl::StrCat("/", path, " holds files that are staged"));
  }
  ListRequest request;
  request.prefix = names_->SourceDirectoryKey(directory);
  request.hierarchical = false;
  request.max_keys = 2;
  S3FILES_ASSIGN_OR_RETURN(const ListPage page, store_->List(call, request));
  if (page.objects.empty()) return NoDirectory(directory);
  const bool marked = page.objects[0].key == request.prefix;
  if (!marked || page.objects.size() > 1) {
    return Error(ENOTEMPTY, absl::StrCat("/", path, " is not empty"));
  }
  NoteMarker(directory, page.objects[0].stamp);
  return absl::OkStatus();
}

absl::Status Importer::KeepDirectory(const CallContext& call, const InodePtr& directory,
                                     absl::string_view leaving) {
  if (directory == names_->root()) return absl::OkStatus();
  {
    absl::MutexLock lock(&directory->mu);
    if (directory->directory->local || directory->directory->marker ||
        directory->directory->spare_children > 1) {
      return absl::OkStatus();
    }
  }
  ListRequest request;
  request.prefix = names_->DirectoryKey(directory);
  S3FILES_ASSIGN_OR_RETURN(const ListPage page, store_->List(call, request));
  std::optional<Stamp> marker;
  uint64_t others = 0;
  for (const ListedObject& object : page.objects) {
    if (object.key == request.prefix) {
      marker = object.stamp;
    } else if (object.key != leaving) {
      ++others;
    }
  }
  for (const std::string& prefix : page.prefixes) others += prefix != leaving ? 1 : 0;
  if (!marker && others == 0 && page.next_token.empty()) {
    S3FILES_ASSIGN_OR_RETURN(marker, PutMarker(call, request.prefix));
  }
  absl::MutexLock lock(&directory->mu);
  directory->directory.Mutable().marker = marker;
  directory->directory.Mutable().spare_children = others;
  return absl::OkStatus();
}

absl::StatusOr<Stamp> Importer::PutMarker(const CallContext& call, const std::string& key) {
  const absl::StatusOr<ObjectInfo> made =
      PutNew(call, store_, guard_, {key, ImpliedDirectory(policy_.defaults), {}, ""});
  // Somebody else has made the directory meanwhile: with attributes that are not ours to replace.
  if (ErrnoOf(made.status()) == EEXIST) return Stamp{Version::Unknown(), 0};
  S3FILES_RETURN_IF_ERROR(made.status());
  return made->stamp;
}

absl::StatusOr<std::optional<ListPage>> Importer::ListPageOf(const CallContext& call,
                                                             const InodePtr& directory,
                                                             const std::string& prefix,
                                                             absl::string_view start_after,
                                                             absl::string_view token) {
  while (true) {
    const uint64_t landings = names_->landings();
    if (names_->SourceDirectoryKey(directory) != prefix) return std::optional<ListPage>();
    if (names_->MovedAway(directory, "")) return ListPage();
    ListRequest request;
    request.prefix = prefix;
    request.start_after = std::string(start_after);
    request.token = std::string(token);
    S3FILES_ASSIGN_OR_RETURN(ListPage page, store_->List(call, request));
    // Of a directory that is no longer there the page may lack what was removed already.
    if (names_->landings() != landings) continue;
    page.prefixes.erase(std::remove_if(page.prefixes.begin(), page.prefixes.end(),
                                       [&](const std::string& key) {
                                         return names_->MovedAway(
                                             directory,
                                             absl::string_view(key).substr(prefix.size()));
                                       }),
                        page.prefixes.end());
    return page;
  }
}

absl::Status Importer::ListWhole(const CallContext& call, const InodePtr& directory,
                                 uint64_t most_pages) {
  DirectoryState::Listing listing;
  listing.at_ns = clock_->MonotonicNanos();
  const std::string key = names_->SourceDirectoryKey(directory);
  std::optional<Stamp> marker;
  std::string token;
  uint64_t pages = 0;
  bool found = directory == names_->root();
  do {
    S3FILES_ASSIGN_OR_RETURN(std::optional<ListPage> part,
                             ListPageOf(call, directory, key, "", token));
    if (!part) return ListWhole(call, directory, most_pages);
    const ListPage& page = *part;
    ++pages;
    found = found || !page.objects.empty() || !page.prefixes.empty();
    for (const ListedObject& object : page.objects) {
      if (object.key == key) marker = object.stamp;
      if (auto name = NameFromKey(object.key, key)) listing.names.insert(*std::move(name));
    }
    for (const std::string& prefix : page.prefixes) {
      if (auto name = NameFromKey(prefix, key)) listing.names.insert(*std::move(name));
    }
    token = page.next_token;
  } while (!token.empty() && pages < most_pages);
  if (!found && !names_->KeepsMove(directory)) return NoDirectory(directory);

  absl::MutexLock lock(&directory->mu);
  DirectoryState& state = directory->directory.Mutable();
  state.exists_ns = listing.at_ns;
  if (marker) state.marker = marker;
  state.lookups = 0;
  state.listing_pages = token.empty() ? pages : 2 * pages;
  state.listing.reset();
  if (token.empty()) state.listing = std::move(listing);
  return absl::OkStatus();
}

// Listing a directory is worth while once as many absences were asked for as it takes pages: then
// the listing costs less than asking for each name (a HEAD and a LIST).
absl::StatusOr<bool> Importer::KnowListing(const CallContext& call, const InodePtr& directory) {
  if (policy_.attribute_timeout_ns == 0) return false;
  uint64_t budget;
  {
    absl::MutexLock lock(&directory->mu);
    DirectoryState& state = directory->directory.Mutable();
    ++state.lookups;
    S3FILES_RETURN_IF_ERROR(
        WaitUntil(call, directory->mu, directory->changed, "waiting for a listing", [&] {
          directory->mu.AssertHeld();
          return !state.being_listed;
        }));
    if (state.listing && Recent(state.listing->at_ns)) return true;
    if (state.lookups < state.listing_pages) return false;
    state.being_listed = true;
    budget = state.lookups;
  }
  const absl::Status status = ListWhole(call, directory, budget);
  absl::MutexLock lock(&directory->mu);
  directory->directory.Mutable().being_listed = false;
  directory->changed.SignalAll();
  S3FILES_RETURN_IF_ERROR(status);
  return directory->directory->listing.has_value();
}

absl::StatusOr<InodePtr> Importer::LookupToCreate(const CallContext& call,
                                                  const InodePtr& directory, absl::string_view name,
                                                  bool enforced) {
  bool local;
  {
    absl::MutexLock lock(&directory->mu);
    local = directory->directory->local;
  }
  if (local) {
    return Error(EROFS, absl::StrCat("nothing can be made in /", names_->PathOf(directory)));
  }
  if (enforced && names_->Child(directory, name) == nullptr) {
    S3FILES_ASSIGN_OR_RETURN(const bool listed, KnowListing(call, directory));
    if (listed) {
      absl::MutexLock lock(&directory->mu);
      const auto& listing = directory->directory->listing;
      if (listing && !listing->names.contains(std::string(name))) return InodePtr();
    }
  }
  S3FILES_ASSIGN_OR_RETURN(InodePtr inode, Lookup(call, directory, name, Freshness::kNow));
  if (inode == nullptr) S3FILES_RETURN_IF_ERROR(CheckDirectory(call, directory));
  return inode;
}

}  // namespace s3files
