// Iterates over one directory: the store's pages, with what is staged here.
#ifndef S3FILES_LIB_FS_DIRECTORY_STREAM_H_
#define S3FILES_LIB_FS_DIRECTORY_STREAM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/call_context.h"
#include "lib/base/event_sink.h"
#include "lib/base/executor.h"
#include "lib/fs/file_info.h"
#include "lib/inode/names.h"
#include "lib/sync/importer.h"
#include "lib/sync/listing_order.h"

namespace s3files {

struct DirectoryEntry {
  uint64_t cookie = 0;  // continue after it
  std::string name;
  FileInfo info;
};

// Thread-safe; calls on one stream take turns.
class DirectoryStream {
 public:
  struct Parts {  // all outlive the stream
    Importer* importer;
    Names* names;
    EventSink* events;
    Executor* executor;
    std::function<void(uint64_t)> count_skipped;
  };
  DirectoryStream(const Parts& parts, InodePtr directory)
      : parts_(parts), directory_(std::move(directory)) {}

  // Up to `most` entries after `cookie` (0: from the start) or, where given, after `after_name`;
  // none at the end. ENOENT: the directory is gone. EINVAL: a cookie of another stream.
  absl::StatusOr<std::vector<DirectoryEntry>> Read(const CallContext& call, size_t most,
                                                   uint64_t cookie,
                                                   const std::optional<std::string>& after_name,
                                                   uint32_t mask);

 private:
  // A page that is asked for while the one before it is being read.
  struct PageAhead;
  // Where an iteration stands. Owned by whoever has taken its turn.
  struct Position {
    uint64_t cookie = 0;  // of the entry given last
    std::string after;    // its name; entries up to it are filtered
    bool filter = false;
    std::string prefix;       // of the keys in the store; a rename may change it
    std::string start_after;  // of the first page
    std::string token;
    uint64_t pages = 0;
    std::shared_ptr<PageAhead> ahead;  // of `token`; null: not asked for yet
    bool last_page = false;
    bool local_only = false;
    ListingMerger merger;
    std::optional<ListedEntry> next;  // looked at, not given yet
    std::deque<std::string> local;    // staged here, in the store not yet; in order
  };

  absl::StatusOr<std::vector<DirectoryEntry>> ReadInTurn(
      const CallContext& call, size_t most, uint64_t cookie,
      const std::optional<std::string>& after_name, uint32_t mask);
  absl::Status Seek(const CallContext& call, uint64_t cookie,
                    const std::optional<std::string>& after_name);
  void Restart(uint64_t cookie, const std::optional<std::string>& after);
  // The next entry's name and what the listing says of it; false at the end.
  absl::StatusOr<bool> Next(const CallContext& call, ListedEntry* entry, bool* local);
  absl::StatusOr<bool> NextListed(const CallContext& call);
  absl::StatusOr<std::optional<ListPage>> NextPage(const CallContext& call);
  void AskAhead();
  void ReportSkipped();
  DirectoryEntry EntryFor(const ListedEntry& listed, bool local);
  absl::Status Fill(const CallContext& call, std::vector<DirectoryEntry>& entries);
  absl::Status FillEntry(const CallContext& call, DirectoryEntry& entry);

  const Parts parts_;
  const InodePtr directory_;

  absl::Mutex mu_;
  absl::CondVar turn_over_;
  bool taken_ ABSL_GUARDED_BY(mu_) = false;
  // The rest belongs to whoever has the turn.
  bool started_ = false;
  Position position_;
  std::vector<std::pair<uint64_t, std::string>> marks_;  // every thousandth entry
  // Where the last iteration by name began, and the cookie that stands for it: such iterations have
  // cookies of their own.
  std::pair<uint64_t, std::string> named_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_FS_DIRECTORY_STREAM_H_
