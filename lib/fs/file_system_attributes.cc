// FileSystem: attributes, permissions, extended attributes.
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/fs/file_system.h"
#include "lib/inode/xattr.h"

namespace s3files {
namespace {

// Attributes of a conflict, told of files in lost+found.
constexpr absl::string_view kLostNames[] = {"s3files.base", "s3files.error",  "s3files.key",
                                            "s3files.path", "s3files.staged", "s3files.winner"};

std::string EtagOf(const Version& version) {
  return version.known() ? std::string(version.etag()) : std::string();
}

std::optional<std::string> LostXattr(const Inode& inode, absl::string_view name)
    ABSL_SHARED_LOCKS_REQUIRED(inode.mu) {
  if (!inode.conflict) return std::nullopt;
  if (name == "s3files.path") return absl::StrCat("/", inode.lost->path);
  if (name == "s3files.key") return inode.lost->key;
  if (name == "s3files.error") return std::string(inode.last_error.message());
  if (name == "s3files.base") return EtagOf(inode.lost->base);
  if (name == "s3files.winner" && !inode.lost->winner.unknown()) return EtagOf(inode.lost->winner);
  if (name == "s3files.staged") {
    std::string ranges;
    for (const ByteRange& range : inode.content->shape().staged.ranges()) {
      absl::StrAppend(&ranges, ranges.empty() ? "" : " ", range.begin, "-", range.end);
    }
    return ranges;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<Attributes> FileSystem::AttributesNow(const CallContext& call,
                                                     const InodePtr& inode) {
  if (inode->type == FileType::kDirectory) {
    S3FILES_RETURN_IF_ERROR(importer_.FillDirectory(call, inode));
  }
  absl::MutexLock lock(&inode->mu);
  Attributes attributes = inode->attributes;
  attributes.type = inode->type;
  return attributes;
}

absl::StatusOr<Attributes> FileSystem::CheckedAttributes(const CallContext& call,
                                                         const InodePtr& inode) {
  if (call.identity) return AttributesNow(call, inode);
  Attributes unchecked;
  unchecked.type = inode->type;
  return unchecked;
}

absl::StatusOr<Attributes> FileSystem::CheckMake(const CallContext& call,
                                                 const InodePtr& directory) {
  S3FILES_ASSIGN_OR_RETURN(const Attributes above, CheckedAttributes(call, directory));
  S3FILES_RETURN_IF_ERROR(
      CheckAccess(call, above, kMayWrite | kMayExecute, names_.PathOf(directory)));
  return above;
}

absl::Status FileSystem::CheckOpen(const CallContext& call, const InodePtr& inode, uint32_t flags) {
  if (!call.identity || (flags & kOpenPath) != 0) return absl::OkStatus();
  uint32_t want = (flags & kOpenWrite) != 0 ? uint32_t{kMayWrite} : 0;
  if ((flags & (kOpenRead | kOpenDirectory)) != 0) want |= kMayRead;
  S3FILES_ASSIGN_OR_RETURN(const Attributes attributes, AttributesNow(call, inode));
  return CheckAccess(call, attributes, want, names_.PathOf(inode));
}

absl::StatusOr<FileInfo> FileSystem::Stat(const CallContext& call, const Handle* at,
                                          absl::string_view path, bool follow, uint32_t mask) {
  return AtPlace(call, at, path, [&](Place& place) -> absl::StatusOr<FileInfo> {
    S3FILES_ASSIGN_OR_RETURN(const InodePtr inode,
                             Find(call, place, Freshness::kRemembered, follow));
    if (inode->type == FileType::kDirectory && (mask & kInfoNeedsHead) != 0) {
      S3FILES_RETURN_IF_ERROR(importer_.FillDirectory(call, inode));
    }
    FileInfo info = InfoOf(*inode);
    // A handle keeps what it has open, whatever the inode shows by now.
    if (place.inode != nullptr && at != nullptr && at->content != nullptr) {
      info.size = at->content->size();
      const BasePtr base = at->content->base();
      if (at->content->retired() && base != nullptr) info.version = base->version;
    }
    return info;
  });
}

absl::Status FileSystem::SetAttributes(const CallContext& call, const Handle* at,
                                       absl::string_view path, bool follow,
                                       const AttributeRequest& request) {
  S3FILES_RETURN_IF_ERROR(CheckChangeable());
  return AtPlace(call, at, path, [&](Place& place) -> absl::Status {
    // Who closes a handle for writing commits its truncation. Any other is one by path: of what the
    // store has now, and committed here.
    const bool by_handle = at != nullptr && place.inode == at->inode;
    const bool by_writer = by_handle && (at->flags & kOpenWrite) != 0;
    const bool now = request.size && !by_writer;
    if (now && by_handle && place.inode->type == FileType::kFile) {
      S3FILES_RETURN_IF_ERROR(Revalidate(call, place.inode, Freshness::kNow));
    }
    S3FILES_ASSIGN_OR_RETURN(const InodePtr inode,
                             Find(call, place, now ? Freshness::kNow : Freshness::kRecent, follow));
    S3FILES_ASSIGN_OR_RETURN(const Attributes attributes, CheckedAttributes(call, inode));
    AttributeChange change;
    S3FILES_RETURN_IF_ERROR(CheckChange(call, attributes, request, names_.PathOf(inode), &change));
    const uint64_t handle = by_writer ? at->id : kClosedHandle;
    if (request.size) {
      S3FILES_RETURN_IF_ERROR(
          SetSize(call, inode, *request.size, by_writer ? at : nullptr, &change));
    }
    S3FILES_RETURN_IF_ERROR(committer_->ChangeAttributes(call, inode, change, handle));
    if (request.atime_ns) {
      absl::MutexLock lock(&inode->mu);
      inode->atime_ns = request.atime_ns;
      inode->ctime_ns = clock_->WallNanos();
    }
    const bool commit = now && options_.commit.delay_ns == 0;
    return commit ? committer_->Commit(call, inode) : absl::OkStatus();
  });
}

absl::Status FileSystem::SetSize(const CallContext& call, const InodePtr& inode, uint64_t size,
                                 const Handle* writer, AttributeChange* change) {
  if (inode->type == FileType::kDirectory) return Error(EISDIR, "a directory has no size to set");
  if (inode->type == FileType::kSymlink) return Error(EINVAL, "a symlink has no size to set");
  std::shared_ptr<Content> content;
  {
    absl::MutexLock lock(&inode->mu);
    if (inode->conflict) {
      return Error(EROFS, absl::StrCat("files in /", kLostAndFound, " are read-only"));
    }
    content = writer != nullptr ? writer->content : inode->content;
  }
  if (content == nullptr) return NameChanged();
  const uint64_t largest = store_->capabilities().largest_object;
  if (size > largest) {
    return Error(EFBIG, absl::StrCat("the largest object has ", largest, " bytes"));
  }
  S3FILES_RETURN_IF_ERROR(call.Check("truncating a file"));
  if (size == content->size()) {
    // Emptying an empty file modifies it, too, as it does by a handle.
    if (size == 0 && !change->mtime_ns) change->mtime_ns = clock_->WallNanos();
    return absl::OkStatus();
  }
  S3FILES_RETURN_IF_ERROR(committer_->BeforeStaging(call, inode));
  S3FILES_RETURN_IF_ERROR(content->Truncate(size));
  committer_->NoteStaged(inode, writer != nullptr ? writer->id : kClosedHandle);
  if (writer == nullptr) {  // no handle will be closed, and say so
    S3FILES_RETURN_IF_ERROR(committer_->Record(call, inode, Committer::Durable::kSoon));
  }
  return absl::OkStatus();
}

absl::Status FileSystem::Access(const CallContext& call, const Handle* at, absl::string_view path,
                                bool follow, uint32_t want) {
  return AtPlace(call, at, path, [&](Place& place) -> absl::Status {
    S3FILES_ASSIGN_OR_RETURN(const InodePtr inode,
                             Find(call, place, Freshness::kRemembered, follow));
    if ((want & kMayWrite) != 0) S3FILES_RETURN_IF_ERROR(CheckChangeable());
    S3FILES_ASSIGN_OR_RETURN(const Attributes attributes, CheckedAttributes(call, inode));
    return CheckAccess(call, attributes, want, names_.PathOf(inode));
  });
}

absl::StatusOr<std::string> FileSystem::GetXattr(const CallContext& call, const Handle* at,
                                                 absl::string_view path, bool follow,
                                                 absl::string_view name) {
  return AtPlace(call, at, path, [&](Place& place) -> absl::StatusOr<std::string> {
    S3FILES_ASSIGN_OR_RETURN(const InodePtr inode, Find(call, place, Freshness::kRecent, follow));
    S3FILES_ASSIGN_OR_RETURN(const Attributes attributes, AttributesNow(call, inode));
    const std::string shown = names_.PathOf(inode);  // its lock comes before the inode's
    S3FILES_RETURN_IF_ERROR(CheckAccess(call, attributes, kMayRead, shown));
    absl::MutexLock lock(&inode->mu);
    if (auto lost = LostXattr(*inode, name)) return *std::move(lost);
    const auto none = [&] {
      return Error(ENODATA, absl::StrCat("/", shown, " has no attribute ", name));
    };
    if (inode->conflict && absl::c_linear_search(kLostNames, name)) return none();
    S3FILES_ASSIGN_OR_RETURN(const std::string key, MetadataNameOf(name));
    const ObjectMetadata metadata = inode->ShownMetadata();
    const auto it = metadata.user.find(key);
    if (it == metadata.user.end()) return none();
    return DecodeXattr(it->second);
  });
}

absl::StatusOr<std::vector<std::string>> FileSystem::ListXattrs(const CallContext& call,
                                                                const Handle* at,
                                                                absl::string_view path,
                                                                bool follow) {
  return AtPlace(call, at, path, [&](Place& place) -> absl::StatusOr<std::vector<std::string>> {
    S3FILES_ASSIGN_OR_RETURN(const InodePtr inode, Find(call, place, Freshness::kRecent, follow));
    S3FILES_RETURN_IF_ERROR(AttributesNow(call, inode).status());
    absl::MutexLock lock(&inode->mu);
    const ObjectMetadata metadata = inode->ShownMetadata();
    std::vector<std::string> names = XattrNamesOf(metadata);
    if (inode->conflict) {
      for (const absl::string_view name : kLostNames) {
        if (LostXattr(*inode, name)) names.emplace_back(name);
      }
    }
    return names;
  });
}

absl::Status FileSystem::SetXattr(const CallContext& call, const Handle* at, absl::string_view path,
                                  bool follow, absl::string_view name,
                                  const std::optional<std::string>& value,
                                  std::optional<bool> must_exist) {
  S3FILES_RETURN_IF_ERROR(CheckChangeable());
  S3FILES_ASSIGN_OR_RETURN(const std::string key, MetadataNameOf(name));
  return AtPlace(call, at, path, [&](Place& place) -> absl::Status {
    S3FILES_ASSIGN_OR_RETURN(const InodePtr inode, Find(call, place, Freshness::kRecent, follow));
    S3FILES_ASSIGN_OR_RETURN(const Attributes attributes, AttributesNow(call, inode));
    if (attributes.type == FileType::kSymlink) {
      return Error(EPERM, absl::StrCat(Describe(place), " is a symlink; it has no attributes"));
    }
    S3FILES_RETURN_IF_ERROR(CheckAccess(call, attributes, kMayWrite, names_.PathOf(inode)));
    bool exists = false;
    {
      absl::MutexLock lock(&inode->mu);
      exists = inode->ShownMetadata().user.contains(key);
    }
    if (must_exist && *must_exist && !exists) {
      return Error(ENODATA, absl::StrCat(Describe(place), " has no attribute ", name));
    }
    if (must_exist && !*must_exist && exists) {
      return Error(EEXIST, absl::StrCat(Describe(place), " has the attribute ", name));
    }
    AttributeChange change;
    change.user[key] = value ? std::make_optional(EncodeXattr(*value)) : std::nullopt;
    const uint64_t handle = place.inode != nullptr && at != nullptr ? at->id : kClosedHandle;
    return committer_->ChangeAttributes(call, inode, change, handle);
  });
}

}  // namespace s3files
