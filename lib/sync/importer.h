// Brings metadata from the store to the file side: what a name is now, and whether it still is what
// it was.
#ifndef S3FILES_LIB_SYNC_IMPORTER_H_
#define S3FILES_LIB_SYNC_IMPORTER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/call_context.h"
#include "lib/base/clock.h"
#include "lib/content/fetcher.h"
#include "lib/inode/attributes.h"
#include "lib/inode/names.h"
#include "lib/store/object_store.h"
#include "lib/sync/write_guard.h"

namespace s3files {

struct ImportPolicy {
  int64_t attribute_timeout_ns = 1'000'000'000;
  // What a listing does not tell has the defaults; no HEAD is sent to fill it in.
  bool listed_only = false;
  AttributeDefaults defaults;
};

// How sure an answer must be. Inodes with staged changes are joined, never asked for.
enum class Freshness : uint8_t {
  kRemembered,  // an answer within the attribute timeout will do
  kRecent,      // the same, but that nothing is there is asked for
  kNow,         // ask the store
  kNowToRead,   // ask, and bring the first bytes with the answer where they are not resident
};

// What is asked for first: it costs one request, anything else two.
enum class Expect : uint8_t { kFile, kDirectory };

// Thread-safe.
class Importer {
 public:
  Importer(ObjectStore* store, WriteGuard* guard, Fetcher* fetcher, SpillArea* spill, Names* names,
           Clock* clock, const ImportPolicy& policy)
      : store_(store),
        guard_(guard),
        fetcher_(fetcher),
        spill_(spill),
        names_(names),
        clock_(clock),
        policy_(policy) {}

  // What `name` in `directory` is; null where nothing is. Where the bucket has both a file and a
  // directory of that name it is the one known here, else the one expected.
  absl::StatusOr<InodePtr> Lookup(const CallContext& call, const InodePtr& directory,
                                  absl::string_view name, Freshness freshness,
                                  Expect expect = Expect::kFile);

  // As Lookup(kNow), for a name that is to be made. `enforced`: an absence may be as old as the
  // attribute timeout, since the commit's precondition enforces it. Null: it is absent, and the
  // directory exists. ENOENT: the directory does not exist.
  absl::StatusOr<InodePtr> LookupToCreate(const CallContext& call, const InodePtr& directory,
                                          absl::string_view name, bool enforced = true);

  // ENOENT unless the directory exists; at most one LIST.
  absl::Status CheckDirectory(const CallContext& call, const InodePtr& directory);
  // Mode, owner and mtime from its marker; at most one HEAD.
  absl::Status FillDirectory(const CallContext& call, const InodePtr& directory);

  // The target of a symlink, as recent as the inode is known to be. EINVAL: not a symlink.
  absl::StatusOr<std::string> ReadLink(const CallContext& call, const InodePtr& symlink);

  // ENOTEMPTY where it holds anything; ENOENT where it does not exist. One LIST.
  absl::Status CheckEmpty(const CallContext& call, const InodePtr& directory);

  // A directory that only its children imply gets a marker before the last of them, whose key is
  // `leaving` (a directory's ends in '/'), goes. No request where that is not known to be close.
  absl::Status KeepDirectory(const CallContext& call, const InodePtr& directory,
                             absl::string_view leaving);

  // The store has nothing under the directory: what is still known there others have removed.
  void NoteEmpty(const InodePtr& directory);

  // One page of the directory, whose keys begin with `prefix` in the store. `start_after` and
  // `token` as in ListRequest. Nullopt: a rename has changed the prefix meanwhile.
  absl::StatusOr<std::optional<ListPage>> ListPageOf(const CallContext& call,
                                                     const InodePtr& directory,
                                                     const std::string& prefix,
                                                     absl::string_view start_after,
                                                     absl::string_view token);

  // Something is there that may have been absent when it was asked for.
  void NoteFound(const InodePtr& directory, absl::string_view name);
  // We made, or removed, `name`: what is known of the directory follows.
  void NoteCreated(const InodePtr& directory, absl::string_view name);
  void NoteRemoved(const InodePtr& directory, absl::string_view name);

  const ImportPolicy& policy() const { return policy_; }
  bool utf8_keys() const { return store_->capabilities().utf8_keys; }

 private:
  enum class Known : uint8_t { kAnswer, kAsk, kGone };
  absl::StatusOr<Known> Recall(const CallContext& call, const InodePtr& inode, Freshness freshness,
                               uint64_t* epoch) const;
  absl::StatusOr<InodePtr> LookupFile(const CallContext& call, const InodePtr& directory,
                                      absl::string_view name, Freshness freshness,
                                      const InodePtr& known, uint64_t epoch);
  // Null where another thread learned something newer meanwhile: ask again.
  InodePtr Import(const InodePtr& directory, absl::string_view name, const InodePtr& known,
                  uint64_t epoch, Fetcher::Opened&& opened);
  bool ImportInto(const InodePtr& inode, uint64_t epoch, Fetcher::Opened&& opened);
  // The store no longer has the object of a file that has nothing staged. False: that is old news.
  bool NoteGone(const InodePtr& inode, uint64_t epoch);
  // Whether anything is under the directory (of `name` in it, where that is not empty).
  absl::StatusOr<bool> ProbeDirectory(const CallContext& call, const InodePtr& directory,
                                      absl::string_view name, std::optional<Stamp>* marker);
  // Unknown where another host was first.
  absl::StatusOr<Stamp> PutMarker(const CallContext& call, const std::string& key);
  void NoteExists(const InodePtr& directory);
  // `made`: the directory's before it was asked for.
  void NoteAbsent(const InodePtr& directory, absl::string_view name, uint64_t made);
  bool KnownAbsent(const DirectoryState& directory, absl::string_view name) const;
  absl::Status NoDirectory(const InodePtr& directory);
  void NoteMarker(const InodePtr& directory, const std::optional<Stamp>& marker);
  // Lists it whole where that is worth while; whether the listing is there and recent now.
  absl::StatusOr<bool> KnowListing(const CallContext& call, const InodePtr& directory);
  absl::Status ListWhole(const CallContext& call, const InodePtr& directory, uint64_t most_pages);
  bool Recent(int64_t since_ns) const;

  ObjectStore* const store_;
  WriteGuard* const guard_;
  Fetcher* const fetcher_;
  SpillArea* const spill_;
  Names* const names_;
  Clock* const clock_;
  const ImportPolicy policy_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_SYNC_IMPORTER_H_
