// s3files in C++17: RAII and streams over the C ABI of s3files.h, header-only, depending on nothing
// else. Being header-only it leaves an application its own compiler and standard library.
//
//   s3files::file_system fs("s3://bucket/prefix");
//   s3files::ofstream out(fs, "hello.txt");
//   out << "hello";
//   out.close();  // the file is in the bucket now, or this throws
//
// Rules that hold for every call
//   - Every call takes a `const call&` last, made by default: it throws s3files::error. Given a
//     std::error_code there, as in std::filesystem, the call reports to it instead, clears it on
//     success, and returns an empty or zero value on failure. A `call` built by hand adds a
//     deadline, a cancel token or an identity:
//       fs.commit("a");  fs.commit("a", ec);  fs.commit("a", call(ec).within(5s));
//   - On failure nothing has changed, except where a call says otherwise. Error values are errno's,
//     in std::generic_category; s3files.h lists them at the C call of the same name.
//   - Any call may be made from any thread, on shared objects too. Not so for what changes or ends
//     an object itself: close, abandon, moving, destruction, and streams, which belong to one
//     thread at a time.
//   - Objects are closed in any order: files keep their file system alive.
//   - What is not closed is not published: the destructors of file, ofstream and fstream abandon
//     what was written, so an exception that unwinds them publishes nothing [W5].
//   - std::bad_alloc may be thrown by any call that returns a container or an object.
#ifndef S3FILES_S3FILES_HPP_
#define S3FILES_S3FILES_HPP_

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ios>
#include <istream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <streambuf>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "s3files/s3files.h"

namespace s3files {

// ------------------------------------------------------------------------------------------------
// Errors

// What a call throws. code() compares to std::errc; what() names the thing and the remedy.
class error : public std::system_error {
 public:
  explicit error(const s3f_error& detail)
      : std::system_error(detail.code, std::generic_category(), detail.message),
        detail_(std::make_shared<const s3f_error>(detail)) {}

  // Of the reply that caused it; 0 = none.
  int http_status() const noexcept { return detail_->http_status; }
  // For example "PreconditionFailed"; "" = none.
  const char* s3_code() const noexcept { return detail_->s3_code; }
  // x-amz-request-id, for a support case; "" = none.
  const char* request_id() const noexcept { return detail_->request_id; }
  // what() without the text of code().
  const char* message() const noexcept { return detail_->message; }

 private:
  std::shared_ptr<const s3f_error> detail_;  // shared: copying an exception must not throw
};

// The detail behind the error_code that the calling thread's last failed call reported.
inline error last_error() {
  s3f_error detail = S3F_INIT(s3f_error);
  s3f_last_error(&detail);
  return error(detail);
}

// ------------------------------------------------------------------------------------------------
// Calls

// Ends every call that was given it, now and later, with std::errc::operation_canceled. It must
// outlive those calls. fire() may be called from any thread, not from a signal handler.
class cancel_token {
 public:
  // Throws std::system_error where there is no memory.
  cancel_token() {
    const int result = s3f_cancel_create(&token_);
    if (result < 0) throw std::system_error(-result, std::generic_category(), "cancel_token");
  }
  ~cancel_token() { s3f_cancel_destroy(token_); }
  cancel_token(const cancel_token&) = delete;
  cancel_token& operator=(const cancel_token&) = delete;

  void fire() noexcept { s3f_cancel_fire(token_); }
  s3f_cancel* native_handle() const noexcept { return token_; }

 private:
  s3f_cancel* token_ = nullptr;
};

// Who makes a call: new files belong to them, and permissions are checked for them.
struct identity {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;  // supplementary, at most 65,536
};

// How a call is made, and whether it throws or reports. A value to be built in place or kept; what
// it refers to (error_code, cancel_token, identity) must outlive the calls it is given to.
class call {
 public:
  call() noexcept = default;                              // throws on failure
  call(std::error_code& code) noexcept : code_(&code) {}  // reports to `code`

  // The call returns std::errc::timed_out when it passes this.
  call& until(std::chrono::steady_clock::time_point deadline) noexcept {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
        deadline - std::chrono::steady_clock::now());
    return within(ns);
  }
  call& within(std::chrono::nanoseconds time) noexcept {
    const auto now = static_cast<std::int64_t>(s3f_now_ns());
    const std::int64_t left = std::max<std::int64_t>(time.count(), 0);
    raw_.deadline_ns = static_cast<std::uint64_t>(now + std::min(left, INT64_MAX - now));
    return *this;
  }
  call& cancelled_by(const cancel_token& token) noexcept {
    raw_.cancel = token.native_handle();
    return *this;
  }
  call& as(const identity& who) noexcept {
    raw_.flags |= S3F_CALL_IDENTITY;
    raw_.uid = who.uid;
    raw_.gid = who.gid;
    raw_.groups = who.groups.data();
    raw_.group_count = static_cast<std::uint32_t>(who.groups.size());
    return *this;
  }
  call& umask(std::uint32_t mask) noexcept {
    raw_.flags |= S3F_CALL_UMASK;
    raw_.umask = mask;
    return *this;
  }

  // What follows is for the wrappers below, and for those who call the C ABI besides.
  const s3f_call* native() const noexcept { return &raw_; }

  // The result of a C call: passed on where it is a success, else thrown or reported, and 0.
  template <typename Result>
  Result finish(Result result) const {
    if (result < 0) {
      if (!code_) throw last_error();
      code_->assign(static_cast<int>(-result), std::generic_category());
      return 0;
    }
    if (code_) code_->clear();
    return result;
  }

  // Throws or reports an error met before.
  void fail(const error& failure) const {
    if (!code_) throw failure;
    *code_ = failure.code();
  }

  // The same call, reporting to `code`.
  call reporting_to(std::error_code& code) const noexcept {
    call copy = *this;
    copy.code_ = &code;
    return copy;
  }

 private:
  s3f_call raw_ = S3F_INIT(s3f_call);
  std::error_code* code_ = nullptr;
};

// ------------------------------------------------------------------------------------------------
// Flags and values

// How a file is opened: one or more, joined by |. See s3f_open.
enum class open_flags : std::uint32_t {
  read = S3F_O_READ,
  write = S3F_O_WRITE,
  create = S3F_O_CREATE,
  exclusive = S3F_O_EXCL,
  truncate = S3F_O_TRUNC,
  append = S3F_O_APPEND,
  directory = S3F_O_DIRECTORY,
  path = S3F_O_PATH,
  no_follow = S3F_O_NOFOLLOW
};

// Attributes asked for, and filled. What a listing knows costs no request an entry.
enum class fields : std::uint32_t {
  type = S3F_STAT_TYPE,
  size = S3F_STAT_SIZE,
  mtime = S3F_STAT_MTIME,
  mode = S3F_STAT_MODE,
  owner = S3F_STAT_OWNER,
  ino = S3F_STAT_INO,
  version = S3F_STAT_VERSION,
  times = S3F_STAT_TIMES,
  blocks = S3F_STAT_BLOCKS,
  listed = S3F_STAT_LISTED,
  all = S3F_STAT_ALL
};

enum class rename_flags : std::uint32_t {
  none = 0,
  no_replace = S3F_RENAME_NOREPLACE,  // std::errc::file_exists where the target exists
  exchange = S3F_RENAME_EXCHANGE      // both exist, and change places; files only
};

// What a symlink at the end of a path means.
enum class links : std::uint32_t { follow = 0, no_follow = S3F_NOFOLLOW };

// A change of attributes: what is set is changed, all of it or nothing.
//   fs.change("f", s3files::attribute_change().mode(0600).modified_now());
class attribute_change {
 public:
  attribute_change& mode(std::uint32_t bits) noexcept {
    raw_.mode = bits;
    return set(S3F_SET_MODE);
  }
  attribute_change& owner(std::uint32_t uid) noexcept {
    raw_.uid = uid;
    return set(S3F_SET_UID);
  }
  attribute_change& group(std::uint32_t gid) noexcept {
    raw_.gid = gid;
    return set(S3F_SET_GID);
  }
  attribute_change& size(std::uint64_t bytes) noexcept {
    raw_.size = bytes;
    return set(S3F_SET_SIZE);
  }
  attribute_change& modified(std::chrono::nanoseconds since_epoch) noexcept {
    raw_.mtime_ns = since_epoch.count();
    return set(S3F_SET_MTIME);
  }
  attribute_change& modified_now() noexcept { return set(S3F_SET_MTIME_NOW); }
  attribute_change& accessed(std::chrono::nanoseconds since_epoch) noexcept {
    raw_.atime_ns = since_epoch.count();
    return set(S3F_SET_ATIME);
  }
  attribute_change& accessed_now() noexcept { return set(S3F_SET_ATIME_NOW); }

  const s3f_setattr_in* native() const noexcept { return &raw_; }

 private:
  attribute_change& set(std::uint32_t flag) noexcept {
    raw_.set |= flag;
    return *this;
  }
  s3f_setattr_in raw_ = S3F_INIT(s3f_setattr_in);
};

enum class access_mode : std::uint32_t {
  exists = 0,
  execute = S3F_X_OK,
  write = S3F_W_OK,
  read = S3F_R_OK
};
constexpr access_mode operator|(access_mode a, access_mode b) noexcept {
  return static_cast<access_mode>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

constexpr open_flags operator|(open_flags a, open_flags b) noexcept {
  return static_cast<open_flags>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr fields operator|(fields a, fields b) noexcept {
  return static_cast<fields>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
// Whether every flag of `some` is in `all`.
constexpr bool contains(open_flags all, open_flags some) noexcept { return (all | some) == all; }
constexpr bool contains(fields all, fields some) noexcept { return (all | some) == all; }

// The attributes of s3files.h, with what C++ adds. Members that `filled` does not name are zero.
struct attributes : s3f_attr {
  attributes() noexcept : s3f_attr(S3F_INIT(s3f_attr)) {}
  explicit attributes(const s3f_attr& attr) noexcept : s3f_attr(attr) {}

  bool has(fields wanted) const noexcept { return contains(static_cast<fields>(filled), wanted); }
  bool is_file() const noexcept { return type == S3F_TYPE_FILE; }
  bool is_directory() const noexcept { return type == S3F_TYPE_DIRECTORY; }
  bool is_symlink() const noexcept { return type == S3F_TYPE_SYMLINK; }
  std::chrono::system_clock::time_point modified() const noexcept {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            std::chrono::nanoseconds(mtime_ns)));
  }
};

enum class staged_state : std::uint32_t {
  clean = S3F_STATE_CLEAN,
  staged = S3F_STATE_STAGED,
  committing = S3F_STATE_COMMITTING,
  failed = S3F_STATE_FAILED,     // staged; the last commit failed, `code` says how
  conflict = S3F_STATE_CONFLICT  // in lost+found: readable, removable, never committed
};

// How a path's staged changes stand.
struct status_info {
  staged_state state = staged_state::clean;
  std::error_code code;  // of the last failed commit
  std::uint32_t attempts = 0;
  std::uint64_t staged_bytes = 0;
  std::chrono::nanoseconds age{};  // since the oldest staged change
  std::string message;
  std::string export_error;  // why trying again cannot help, see s3f_status_info; empty: none
  std::optional<std::chrono::steady_clock::time_point> next_attempt;  // by itself
};

// What a commit did.
struct commit_info {
  std::uint32_t files = 0;  // committed by this call
  std::uint64_t bytes = 0;  // their sizes
  std::string etag;         // of a single file: the version that the store has; empty: none known
  std::string version_id;
};

// What a commit would send; the members are explained in s3files.h.
using diff_info = s3f_diff_info;

// Counters of a file system; the members are explained in s3files.h.
using statistics = s3f_stats;

enum class event_kind : std::uint32_t {
  committed = S3F_EVENT_COMMITTED,
  commit_failed = S3F_EVENT_COMMIT_FAILED,
  conflict = S3F_EVENT_CONFLICT,
  key_skipped = S3F_EVENT_KEY_SKIPPED,
  unconditional = S3F_EVENT_UNCONDITIONAL,
  progress = S3F_EVENT_PROGRESS
};

// Valid while its handler runs.
struct event {
  event_kind kind;
  std::error_code code;
  std::uint64_t bytes;
  std::string_view path;
  std::string_view message;
  std::string_view detail;
  std::uint64_t total;
};

// Runs on the thread that caused the event, with no lock held. It may call anything but close of
// its own file system. An exception that leaves it ends the program.
using event_handler = std::function<void(const event&)>;

enum class conflict_decision : std::uint32_t {
  store = S3F_CONFLICT_STORE,    // the store's version wins, `mine` goes to lost+found
  mine = S3F_CONFLICT_MINE,      // `mine` replaces it
  merged = S3F_CONFLICT_MERGED,  // what was written to `result` does
  drop = S3F_CONFLICT_DROP,      // `mine` is dropped
  fail = S3F_CONFLICT_FAIL       // it stays staged, and the commit fails with ESTALE
};

struct conflict;

// Decides a conflict: see s3f_conflict_fn for what it may call. An exception that leaves it ends the
// program.
using conflict_handler = std::function<conflict_decision(conflict&)>;

// What is called back.
struct handlers {
  event_handler on_event;
  conflict_handler on_conflict;  // none: as the option `conflict` says
};

// Names and values of s3f_fs_open's options: {{"endpoint", "http://localhost:9000"}}.
using options = std::map<std::string, std::string>;

namespace detail {

// A file system and what must live as long as it does; shared with the files it has open.
struct mount {
  s3f_fs* fs = nullptr;
  handlers call_back;

  mount() = default;
  mount(const mount&) = delete;
  mount& operator=(const mount&) = delete;
  ~mount() { s3f_fs_close(fs, S3F_CLOSE_DISCARD, nullptr); }

  static void deliver(void* user, const s3f_event* raw) noexcept {
    static_cast<mount*>(user)->call_back.on_event(event{static_cast<event_kind>(raw->kind),
                                                        {raw->code, std::generic_category()},
                                                        raw->bytes,
                                                        view(raw->path),
                                                        view(raw->message),
                                                        view(raw->detail),
                                                        raw->total});
  }
  static inline std::uint32_t decide(void* user, const s3f_conflict* raw) noexcept;

 private:
  static std::string_view view(const char* text) noexcept { return text ? text : ""; }
};

}  // namespace detail

// ------------------------------------------------------------------------------------------------
// Files

enum class lock_type : std::uint32_t {
  none = S3F_LOCK_NONE,
  shared = S3F_LOCK_SHARED,
  exclusive = S3F_LOCK_EXCLUSIVE,
};

struct lock_range {
  std::uint64_t start = 0;
  std::uint64_t length = 0;  // 0: to the end of the file, however it grows
  std::uint64_t owner = 0;   // 0: the file object; else whom the application says
};

// An open file or directory. Movable. One that is not open gives std::errc::invalid_argument.
class file {
 public:
  file() noexcept = default;
  file(file&& other) noexcept
      : mount_(std::move(other.mount_)),
        handle_(std::exchange(other.handle_, nullptr)),
        flags_(other.flags_) {}
  file& operator=(file&& other) noexcept {
    file taken(std::move(other));
    std::swap(mount_, taken.mount_);
    std::swap(handle_, taken.handle_);
    std::swap(flags_, taken.flags_);
    return *this;
  }
  // Abandons: only close() publishes.
  ~file() { s3f_abandon(release(), nullptr); }

  // Whether it is open.
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  // What it was opened with.
  open_flags flags() const noexcept { return flags_; }
  s3f_handle* native_handle() const noexcept { return handle_; }

  // Reads up to `size` bytes at `offset`; returns how many, less only at the end of the file. On
  // failure `buffer` may be partly written. ESTALE: the version this file reads is gone.
  std::size_t pread(void* buffer, std::size_t size, std::uint64_t offset,
                    const call& how = {}) const {
    return static_cast<std::size_t>(
        how.finish(s3f_pread(buffer, size, offset, native_handle(), how.native())));
  }

  // Stages all `size` bytes at `offset`, or none (opened to append: at the end). Seen at once by
  // this file system, by others after a commit. ESTALE: replaced by others. ENOSPC, EFBIG.
  void pwrite(const void* buffer, std::size_t size, std::uint64_t offset, const call& how = {}) {
    how.finish(s3f_pwrite(native_handle(), buffer, size, offset, how.native()));
  }

  // pwrite at the end of the file, atomically; returns the offset.
  std::uint64_t append(const void* buffer, std::size_t size, const call& how = {}) {
    std::uint64_t offset = 0;
    how.finish(s3f_append(&offset, native_handle(), buffer, size, how.native()));
    return offset;
  }

  // Sets the size; what is added reads as zeros. Staged; errors as pwrite.
  void truncate(std::uint64_t size, const call& how = {}) {
    how.finish(s3f_truncate(native_handle(), size, how.native()));
  }

  // pread and pwrite of several buffers, one behind the other, as one call.
  std::size_t preadv(const s3f_iovec* buffers, std::uint32_t count, std::uint64_t offset,
                     const call& how = {}) const {
    return static_cast<std::size_t>(
        how.finish(s3f_preadv(native_handle(), buffers, count, offset, how.native())));
  }
  void pwritev(const s3f_iovec* buffers, std::uint32_t count, std::uint64_t offset,
               const call& how = {}) {
    how.finish(s3f_pwritev(native_handle(), buffers, count, offset, how.native()));
  }

  // Copies up to `size` bytes of `from` here; returns how many, less only at its end. A whole file
  // with nothing staged is copied onto an empty one by the store, when this is committed [W11].
  // EINVAL: ranges of one file that overlap. EXDEV. Else as pread and pwrite.
  std::uint64_t copy_from(const file& from, std::uint64_t from_offset, std::uint64_t offset,
                          std::uint64_t size, const call& how = {}) {
    return static_cast<std::uint64_t>(how.finish(s3f_copy_range(
        from.native_handle(), from_offset, native_handle(), offset, size, how.native())));
  }

  // Waits for an advisory lock on a range; the file is its owner where `range` names none [L1].
  // Without a deadline in `how` it may wait for ever. EDEADLK, EBADF.
  void lock(lock_type type, lock_range range = {}, const call& how = {}) const {
    set_lock(type, range, S3F_LOCK_WAIT, how);
  }
  // The same without waiting: whether it was granted.
  bool try_lock(lock_type type, lock_range range = {}, const call& how = {}) const {
    return set_lock(type, range, 0, how);
  }
  void unlock(lock_range range = {}, const call& how = {}) const {
    set_lock(lock_type::none, range, 0, how);
  }
  // The first lock in the way of such a one; type S3F_LOCK_NONE: nothing is.
  s3f_lock test_lock(lock_type type, lock_range range = {}, const call& how = {}) const {
    s3f_lock lock = raw_lock(type, range);
    how.finish(s3f_lock_test(&lock, native_handle(), how.native()));
    return lock;
  }

  // One lock of the whole file, apart from those of ranges [L2]; `none` releases it.
  void flock(lock_type type, const call& how = {}) const {
    how.finish(
        s3f_flock(native_handle(), static_cast<std::uint32_t>(type), S3F_LOCK_WAIT, how.native()));
  }
  bool try_flock(lock_type type, const call& how = {}) const {
    return granted(s3f_flock(native_handle(), static_cast<std::uint32_t>(type), 0, how.native()),
                   how);
  }

  // Attributes of what is open; no request.
  attributes stat(const call& how = {}) const { return stat(fields::all, how); }
  attributes stat(fields wanted, const call& how = {}) const {
    attributes attr;
    how.finish(s3f_fstat(&attr, native_handle(), static_cast<std::uint32_t>(wanted), how.native()));
    return attr;
  }

  // Returns when everything staged for the file is durable. Errors as file_system::commit.
  void fsync(const call& how = {}) { how.finish(s3f_fsync(native_handle(), how.native())); }

  // Closes, and where commit_delay is 0 commits what is staged for the file. It is not open
  // afterwards, even on failure; what was staged then stays so, until file_system::commit or
  // discard of its path. Closing what is not open does nothing. Errors as file_system::commit.
  void close(const call& how = {}) {
    file closing(std::move(*this));
    how.finish(s3f_close(closing.release(), how.native()));
  }

  // Closes and discards what this file staged. EBUSY: others have staged to it since, and nothing
  // is discarded. It is not open afterwards either way.
  void abandon(const call& how = {}) {
    file closing(std::move(*this));
    how.finish(s3f_abandon(closing.release(), how.native()));
  }

 private:
  friend class file_system;
  friend struct detail::mount;

  static s3f_lock raw_lock(lock_type type, const lock_range& range) {
    s3f_lock lock = S3F_INIT(s3f_lock);
    lock.type = static_cast<std::uint32_t>(type);
    lock.start = range.start;
    lock.length = range.length;
    lock.owner = range.owner;
    return lock;
  }
  bool set_lock(lock_type type, const lock_range& range, std::uint32_t flags,
                const call& how) const {
    const s3f_lock lock = raw_lock(type, range);
    return granted(s3f_lock_range(native_handle(), &lock, flags, how.native()), how);
  }
  // That another has the lock is no error to who only tries.
  static bool granted(int result, const call& how) {
    how.finish(result == -EAGAIN ? 0 : result);
    return result == 0;
  }

  // Gives the handle up, to the C call that ends it.
  s3f_handle* release() noexcept { return std::exchange(handle_, nullptr); }

  std::shared_ptr<detail::mount> mount_;
  s3f_handle* handle_ = nullptr;
  open_flags flags_{};
};

// A conflict that is to be decided: see s3f_conflict. Its files are valid while the handler runs.
struct conflict {
  std::error_code code;  // ESTALE; EEXIST for a file opened as exclusive
  std::string_view path;
  file base;    // the version that the change was made on; not open where the file was new
  file mine;    // as staged
  file theirs;  // what the store has; not open where it was removed
  file result;  // empty, for reading and writing
};

std::uint32_t detail::mount::decide(void* user, const s3f_conflict* raw) noexcept {
  mount* const self = static_cast<mount*>(user);
  auto lend = [&](s3f_handle* handle, open_flags flags) {
    file lent;  // the library keeps its file system: whoever takes the file gets nothing
    lent.handle_ = handle;
    lent.flags_ = flags;
    return lent;
  };
  conflict asked{{raw->code, std::generic_category()},
                 view(raw->path),
                 lend(raw->base, open_flags::read),
                 lend(raw->mine, open_flags::read),
                 lend(raw->theirs, open_flags::read),
                 lend(raw->result, open_flags::read | open_flags::write)};
  const conflict_decision decision = self->call_back.on_conflict(asked);
  for (file* lent : {&asked.base, &asked.mine, &asked.theirs, &asked.result}) lent->release();
  return static_cast<std::uint32_t>(decision);
}

// Where a path call looks: a path from the root, or from a directory that is open:
//   fs.stat("a/b");  fs.stat({directory, "b"});
// Only ever a parameter: it refers to its arguments. A path with a NUL inside, or a directory that
// is not open, gives std::errc::invalid_argument.
class location {
 public:
  location(const char* path) noexcept : path_(path) {}
  location(const std::string& path) noexcept
      : path_(path.find('\0') == std::string::npos ? path.c_str() : nullptr) {}
  location(const file& directory, location path) noexcept
      : at_(directory.native_handle()), path_(at_ ? path.path_ : nullptr) {}

  s3f_handle* at() const noexcept { return at_; }
  const char* path() const noexcept { return path_; }

 private:
  s3f_handle* at_ = nullptr;
  const char* path_;
};

// ------------------------------------------------------------------------------------------------
// Directories

class directory_entry {
 public:
  const std::string& name() const noexcept { return name_; }
  // The fields that were asked for, at least.
  const s3files::attributes& attributes() const noexcept { return attributes_; }
  bool is_file() const noexcept { return attributes_.is_file(); }
  bool is_directory() const noexcept { return attributes_.is_directory(); }
  bool is_symlink() const noexcept { return attributes_.is_symlink(); }

 private:
  friend class directory_iterator;

  std::string name_;
  s3files::attributes attributes_;
};

// An input iterator over a directory, and its own range, as in std::filesystem:
//   for (const s3files::directory_entry& entry : fs.list("photos")) ...
// In byte order of the names. An entry that stays for the whole iteration is seen once. Copies
// share their position. The default-made one is the end.
class directory_iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = directory_entry;
  using difference_type = std::ptrdiff_t;
  using pointer = const directory_entry*;
  using reference = const directory_entry&;

  directory_iterator() noexcept = default;
  // Iterates over `directory`, an open one. Errors as increment.
  explicit directory_iterator(file directory, fields wanted = fields::listed, const call& how = {})
      : state_(std::make_shared<state>(std::move(directory), wanted)) {
    increment(how);
  }

  reference operator*() const noexcept { return state_->entry; }
  pointer operator->() const noexcept { return &state_->entry; }
  directory_iterator& operator++() { return increment(); }

  // Moves on; reads ahead a batch of entries at a time. ENOTDIR, and the store's errors, after
  // which this is the end.
  directory_iterator& increment(const call& how = {}) {
    const std::shared_ptr<state> current = std::exchange(state_, nullptr);
    if (current->next(how)) state_ = current;
    return *this;
  }

  friend bool operator==(const directory_iterator& a, const directory_iterator& b) noexcept {
    return a.state_ == b.state_;
  }
  friend bool operator!=(const directory_iterator& a, const directory_iterator& b) noexcept {
    return !(a == b);
  }

 private:
  struct state {
    state(file opened, fields mask)
        : directory(std::move(opened)), wanted(mask), batch(64, S3F_INIT(s3f_dirent)) {}

    bool next(const call& how) {
      if (used == filled) {
        filled = static_cast<std::size_t>(
            how.finish(s3f_readdir(batch.data(), batch.size(), directory.native_handle(), cookie,
                                   nullptr, static_cast<std::uint32_t>(wanted), how.native())));
        used = 0;
        if (filled == 0) return false;
      }
      const s3f_dirent& raw = batch[used++];
      cookie = raw.cookie;
      entry.name_ = raw.name;
      entry.attributes_ = s3files::attributes(raw.attr);
      return true;
    }

    file directory;
    fields wanted;
    std::vector<s3f_dirent> batch;
    std::size_t used = 0;
    std::size_t filled = 0;
    std::uint64_t cookie = 0;
    directory_entry entry;
  };

  std::shared_ptr<state> state_;
};

inline directory_iterator begin(directory_iterator iterator) noexcept { return iterator; }
inline directory_iterator end(const directory_iterator&) noexcept { return {}; }

// ------------------------------------------------------------------------------------------------
// File systems

// One prefix of one bucket. Movable. It ends when it and the files opened from it are gone: what is
// staged is then committed, and what cannot be is dropped, which only an event tells. Call close()
// to know.
class file_system {
 public:
  file_system() noexcept = default;
  file_system(file_system&&) noexcept = default;
  file_system& operator=(file_system&&) noexcept = default;

  // Opens s3://BUCKET[/PREFIX], file:///DIR or memory://NAME, with s3f_fs_open's options. Sends one
  // request, which shows that endpoint, credentials and bucket are right. EINVAL: malformed URL,
  // unknown option. ENOENT: no such bucket. EACCES: credentials refused. ECONNREFUSED,
  // EHOSTUNREACH, ETIMEDOUT: no answer. Where this reports a failure, it makes one that is not
  // open.
  explicit file_system(const std::string& url, const call& how = {})
      : file_system(url, options(), how) {}
  file_system(const std::string& url, const options& settings, const call& how = {})
      : file_system(url, settings, handlers(), how) {}
  file_system(const std::string& url, const options& settings, event_handler on_event,
              const call& how = {})
      : file_system(url, settings, handlers{std::move(on_event), {}}, how) {}
  file_system(const std::string& url, const options& settings, handlers call_back,
              const call& how = {}) {
    std::vector<s3f_option> raw;
    for (const auto& [name, value] : settings) raw.push_back({name.c_str(), value.c_str()});
    auto mount = std::make_shared<detail::mount>();
    mount->call_back = std::move(call_back);
    s3f_fs_config config = S3F_INIT(s3f_fs_config);
    config.options = raw.data();
    config.option_count = static_cast<std::uint32_t>(raw.size());
    if (mount->call_back.on_event) config.on_event = &detail::mount::deliver;
    if (mount->call_back.on_conflict) config.on_conflict = &detail::mount::decide;
    config.on_event_user = config.on_conflict_user = mount.get();
    how.finish(s3f_fs_open(&mount->fs, url.c_str(), &config, how.native()));
    if (mount->fs) mount_ = std::move(mount);
  }

  // Whether it is open. One that is not gives std::errc::invalid_argument.
  explicit operator bool() const noexcept { return native_handle() != nullptr; }
  s3f_fs* native_handle() const noexcept { return mount_ ? mount_->fs : nullptr; }

  // Opens a file or directory. `mode`: permissions of a file that is made, less the umask. What it
  // reads is the version committed when this returns, or a later one [C1].
  // ENOENT, EEXIST, EISDIR, ENOTDIR, EROFS, EINVAL (flags that mean nothing together).
  file open(location where, open_flags flags, const call& how = {}) const {
    return open(where, flags, 0666, how);
  }
  file open(location where, open_flags flags, std::uint32_t mode, const call& how = {}) const {
    file opened;
    opened.mount_ = mount_;
    opened.flags_ = flags;
    how.finish(s3f_open(&opened.handle_, native_handle(), where.at(), where.path(),
                        static_cast<std::uint32_t>(flags), mode, how.native()));
    return opened;
  }

  // Attributes of a path. This file system's staged changes are seen at once, others' commits no
  // later than option attribute_timeout [C6]. ENOENT, ENOTDIR.
  attributes stat(location where, const call& how = {}) const {
    return stat(where, fields::all, how);
  }
  attributes stat(location where, fields wanted, const call& how = {}) const {
    attributes attr;
    how.finish(s3f_stat(&attr, native_handle(), where.at(), where.path(), 0,
                        static_cast<std::uint32_t>(wanted), how.native()));
    return attr;
  }

  // As stat, of a symlink itself.
  attributes lstat(location where, const call& how = {}) const {
    return lstat(where, fields::all, how);
  }
  attributes lstat(location where, fields wanted, const call& how = {}) const {
    attributes attr;
    how.finish(s3f_stat(&attr, native_handle(), where.at(), where.path(), S3F_NOFOLLOW,
                        static_cast<std::uint32_t>(wanted), how.native()));
    return attr;
  }

  // Changes attributes: chmod, chown, utimens and truncate in one [N8]. With staged bytes it goes
  // along with them; else it is committed before this returns, or staged where commits are delayed.
  // EPERM, EACCES, EINVAL, EISDIR, and as commit.
  void change(location where, const attribute_change& wanted, const call& how = {}) const {
    change(where, wanted, links::follow, how);
  }
  void change(location where, const attribute_change& wanted, links at_end,
              const call& how = {}) const {
    how.finish(s3f_setattr(native_handle(), where.at(), where.path(),
                           static_cast<std::uint32_t>(at_end), wanted.native(), how.native()));
  }
  void chmod(location where, std::uint32_t mode, const call& how = {}) const {
    change(where, attribute_change().mode(mode), how);
  }
  void chown(location where, std::uint32_t uid, std::uint32_t gid, const call& how = {}) const {
    change(where, attribute_change().owner(uid).group(gid), how);
  }

  // Whether the identity of `how` may do all of `wanted`. That it may not is no error.
  bool access(location where, access_mode wanted, const call& how = {}) const {
    const int result = s3f_access(native_handle(), where.at(), where.path(), 0,
                                  static_cast<std::uint32_t>(wanted), how.native());
    const bool denied = result == -EACCES || result == -EROFS;
    how.finish(denied ? 0 : result);
    return result == 0;
  }

  // Makes a symlink: an object whose body is `target`. EEXIST, ENOENT, ENAMETOOLONG.
  void symlink(const std::string& target, location where, const call& how = {}) const {
    how.finish(
        s3f_symlink(target.c_str(), native_handle(), where.at(), where.path(), how.native()));
  }
  // The target of a symlink. EINVAL: not one.
  std::string readlink(location where, const call& how = {}) const {
    std::string target(4096, '\0');
    target.resize(static_cast<std::size_t>(how.finish(s3f_readlink(
        target.data(), target.size(), native_handle(), where.at(), where.path(), how.native()))));
    return target;
  }

  // Extended attributes: "user.NAME" is the object's user metadata x-amz-meta-NAME. ENODATA, ENOTSUP
  // (a name that S3 cannot hold), ENOSPC (over 2 KiB).
  std::string get_xattr(location where, const std::string& name, const call& how = {}) const {
    return sized(how, [&](char* out, std::size_t size) {
      return s3f_getxattr(out, size, native_handle(), where.at(), where.path(), 0, name.c_str(),
                          how.native());
    });
  }
  std::vector<std::string> list_xattrs(location where, const call& how = {}) const {
    const std::string all = sized(how, [&](char* out, std::size_t size) {
      return s3f_listxattr(out, size, native_handle(), where.at(), where.path(), 0, how.native());
    });
    std::vector<std::string> names;
    for (std::size_t at = 0; at < all.size(); at += names.back().size() + 1) {
      names.emplace_back(all.c_str() + at);
    }
    return names;
  }
  void set_xattr(location where, const std::string& name, std::string_view value,
                 const call& how = {}) const {
    how.finish(s3f_setxattr(native_handle(), where.at(), where.path(), 0, name.c_str(),
                            value.data(), value.size(), how.native()));
  }
  void remove_xattr(location where, const std::string& name, const call& how = {}) const {
    how.finish(
        s3f_removexattr(native_handle(), where.at(), where.path(), 0, name.c_str(), how.native()));
  }

  // Whether there is something at `where`. Its absence is no error; not being able to tell is.
  bool exists(location where, const call& how = {}) const {
    std::error_code code;
    stat(where, fields::type, how.reporting_to(code));
    const bool absent = code.value() == ENOENT || code.value() == ENOTDIR;
    how.finish(absent ? 0 : -code.value());
    return !code;
  }

  // Iterates over a directory. Fields beyond `listed` cost a HEAD an entry, several at a time.
  // ENOENT, ENOTDIR. Where this reports a failure, it returns the end.
  directory_iterator list(location where, const call& how = {}) const {
    return list(where, fields::listed, how);
  }
  directory_iterator list(location where, fields wanted, const call& how = {}) const {
    file directory = open(where, open_flags::read | open_flags::directory, how);
    return directory ? directory_iterator(std::move(directory), wanted, how) : directory_iterator();
  }

  // Makes a directory: a zero-byte object "path/". EEXIST, ENOENT (no parent), EROFS.
  void mkdir(location where, const call& how = {}) const { mkdir(where, 0777, how); }
  void mkdir(location where, std::uint32_t mode, const call& how = {}) const {
    how.finish(s3f_mkdir(native_handle(), where.at(), where.path(), mode, how.native()));
  }

  // Removes an empty directory. ENOTEMPTY, ENOENT, ENOTDIR, EBUSY (the root).
  void rmdir(location where, const call& how = {}) const {
    how.finish(s3f_rmdir(native_handle(), where.at(), where.path(), how.native()));
  }

  // Removes a file, in the store too. Open files of it go on and are never published [N3].
  // ENOENT, EISDIR, ESTALE (replaced by others meanwhile).
  void unlink(location where, const call& how = {}) const {
    how.finish(s3f_unlink(native_handle(), where.at(), where.path(), how.native()));
  }

  // Renames a file, replacing one at the target, or a directory, replacing an empty one; open files
  // follow [N4]. ENOENT, EISDIR, ENOTDIR, ENOTEMPTY, EINVAL (into itself), EEXIST (no_replace), ESTALE
  // (replaced by others), ENOTSUP (exchange of directories).
  void rename(location from, location to, const call& how = {}) const {
    rename(from, to, rename_flags::none, how);
  }
  void rename(location from, location to, rename_flags flags, const call& how = {}) const {
    how.finish(s3f_rename(native_handle(), from.at(), from.path(), to.at(), to.path(),
                          static_cast<std::uint32_t>(flags), how.native()));
  }

  // Commits what is staged for a file, for all under a directory, or for everything, oldest first;
  // returns when it is the store's state. ESTALE: the store has another version, which wins: the staged bytes
  // are moved to lost+found [W3]. EEXIST: likewise, for a file opened as exclusive. Other errors
  // leave it staged; for directories the rest is tried, and the first error is reported.
  commit_info commit(const call& how = {}) const { return commit("", how); }
  commit_info commit(location where, const call& how = {}) const {
    s3f_commit_info raw = S3F_INIT(s3f_commit_info);
    how.finish(s3f_commit(&raw, native_handle(), where.at(), where.path(), 0, how.native()));
    return {raw.files, raw.bytes, raw.etag, raw.version_id};
  }
  // The same in the background: returns at once. An event says how it went, status(), and the next
  // sync, close or commit of the file.
  void commit_soon(const call& how = {}) const { commit_soon("", how); }
  void commit_soon(location where, const call& how = {}) const {
    how.finish(s3f_commit(nullptr, native_handle(), where.at(), where.path(), S3F_COMMIT_NO_WAIT,
                          how.native()));
  }

  // What is staged by now is committed before anything that is staged, or named, from now on [D5].
  void barrier(const call& how = {}) const {
    how.finish(s3f_barrier(native_handle(), how.native()));
  }

  // What committing a path, or all under it, would send as things stand; no request.
  diff_info diff(location where, const call& how = {}) const {
    diff_info out = S3F_INIT(diff_info);
    how.finish(s3f_diff(&out, native_handle(), where.at(), where.path(), how.native()));
    return out;
  }

  // Drops what is staged for a file: it is again as last committed, and gone where it never was.
  // Open files follow. EBUSY while a commit of it is under way.
  void discard(location where, const call& how = {}) const {
    how.finish(s3f_discard(native_handle(), where.at(), where.path(), how.native()));
  }

  // How a path's staged changes stand; no request.
  status_info status(location where, const call& how = {}) const {
    s3f_status_info raw = S3F_INIT(s3f_status_info);
    how.finish(s3f_status(&raw, native_handle(), where.at(), where.path(), how.native()));
    return {static_cast<staged_state>(raw.state),
            {raw.code, std::generic_category()},
            raw.attempts,
            raw.staged_bytes,
            std::chrono::nanoseconds(raw.age_ns),
            raw.message,
            raw.export_error,
            moment(raw.next_attempt_ns)};
  }

  // The paths with staged changes, in no stated order. Changes made meanwhile may be missed.
  std::vector<std::string> staged(const call& how = {}) const {
    std::vector<std::string> paths;
    std::uint64_t cursor = 0;
    char path[1280];
    while (how.finish(s3f_next_staged(&cursor, path, sizeof path, native_handle(), how.native()))) {
      paths.emplace_back(path);
    }
    return paths;
  }

  // What programs that look for free space want to hear; no request.
  s3f_statfs_out statfs(const call& how = {}) const {
    s3f_statfs_out out = S3F_INIT(s3f_statfs_out);
    how.finish(s3f_statfs(&out, native_handle(), how.native()));
    return out;
  }

  // Counters since it was opened. Fails only where it is not open.
  statistics stats(const call& how = {}) const {
    statistics counters = S3F_INIT(statistics);
    how.finish(s3f_fs_stats(&counters, native_handle()));
    return counters;
  }

  // Commits what is staged and ends the file system; does nothing where it is not open. On failure
  // it stays open and usable: EBUSY where files are open, else the error of the first change that
  // could not be committed (staged() has them all).
  void close(const call& how = {}) { end(0, how); }

  // Ends the file system whatever happens; the error says what could not be committed and is
  // dropped. Files should be closed or abandoned before: EBADF is all they give afterwards.
  void close_discarding(const call& how = {}) { end(S3F_CLOSE_DISCARD, how); }

 private:
  // A time of s3f_now_ns() as one of std::chrono's.
  static std::optional<std::chrono::steady_clock::time_point> moment(std::uint64_t ns) {
    if (ns == 0) return std::nullopt;
    const auto ahead = static_cast<std::int64_t>(ns) - static_cast<std::int64_t>(s3f_now_ns());
    return std::chrono::steady_clock::now() +
           std::chrono::duration_cast<std::chrono::steady_clock::duration>(
               std::chrono::nanoseconds(ahead));
  }

  // What a call writes whose size it tells for a size of 0, and which may grow in between.
  template <typename Call>
  static std::string sized(const call& how, Call ask) {
    while (true) {
      std::string out(static_cast<std::size_t>(how.finish(ask(nullptr, 0))), '\0');
      if (out.empty()) return out;
      const auto filled = ask(out.data(), out.size());
      if (filled == -ERANGE) continue;
      out.resize(static_cast<std::size_t>(how.finish(filled)));
      return out;
    }
  }

  void end(std::uint32_t flags, const call& how) {
    const int result = s3f_fs_close(native_handle(), flags, how.native());
    if (mount_ && (result == 0 || (flags & S3F_CLOSE_DISCARD))) {
      mount_->fs = nullptr;  // files that are open share the mount
      mount_.reset();
    }
    how.finish(result);
  }

  std::shared_ptr<detail::mount> mount_;
};

// ------------------------------------------------------------------------------------------------
// Rescue

// What a state_dir holds, read without its store and without changing it; the members of entries are
// explained in s3files.h. Movable; no file system can open the directory while this lives.
//   for (s3files::rescue state("dir"); state.next();) std::cout << state.entry().path;
class rescue {
 public:
  // ENOENT: no such directory. EBUSY: a file system has it. Where this reports a failure, it makes one
  // that is not open.
  explicit rescue(const std::string& state_dir, const call& how = {}) {
    s3f_rescue* opened = nullptr;
    how.finish(s3f_rescue_open(&opened, &info_, state_dir.c_str(), how.native()));
    raw_.reset(opened);
  }
  explicit operator bool() const noexcept { return raw_ != nullptr; }

  const s3f_rescue_info& info() const noexcept { return info_; }
  // Goes to the next entry; false at the end.
  bool next(const call& how = {}) {
    return how.finish(s3f_rescue_next(&entry_, raw_.get(), how.native())) == 1;
  }
  const s3f_rescue_entry& entry() const noexcept { return entry_; }

  // Where each byte of the entry is: staged here, in the store, or lost.
  std::vector<s3f_rescue_range> ranges(const call& how = {}) const {
    std::vector<s3f_rescue_range> all(64);
    for (std::size_t used = 0; true; all.resize(2 * used)) {
      const std::uint64_t from = used == 0 ? 0 : all[used - 1].offset + all[used - 1].size;
      used += static_cast<std::size_t>(how.finish(
          s3f_rescue_ranges(all.data() + used, all.size() - used, from, raw_.get(), how.native())));
      if (used < all.size()) {
        all.resize(used);
        return all;
      }
    }
  }
  // Less than `size` at the end and at the first byte that is not here. ENODATA: that is at `offset`.
  std::size_t read(void* buffer, std::size_t size, std::uint64_t offset,
                   const call& how = {}) const {
    return static_cast<std::size_t>(
        how.finish(s3f_rescue_read(buffer, size, offset, raw_.get(), how.native())));
  }

 private:
  struct closer {
    void operator()(s3f_rescue* raw) const noexcept { s3f_rescue_close(raw); }
  };
  std::unique_ptr<s3f_rescue, closer> raw_;
  s3f_rescue_info info_ = S3F_INIT(s3f_rescue_info);
  s3f_rescue_entry entry_ = S3F_INIT(s3f_rescue_entry);
};

// ------------------------------------------------------------------------------------------------
// Streams

// A buffered, seekable stream buffer over a file. Its failures are thrown as s3files::error, which
// a stream turns into badbit, or passes on where its exceptions() has badbit. Once a write has
// failed nothing more is written, and close() reports that failure and publishes nothing.
class filebuf : public std::streambuf {
 public:
  explicit filebuf(file opened, std::size_t buffer_size = 128 * 1024)
      : file_(std::move(opened)), buffer_(std::max<std::size_t>(buffer_size, 1)) {}
  // Abandons, as file does: neither flushes nor publishes.
  ~filebuf() override = default;

  bool is_open() const noexcept { return static_cast<bool>(file_); }

  // Writes what is buffered, and returns when everything staged for the file is durable. Errors as
  // file::fsync, and those of every write before.
  void fsync(const call& how = {}) {
    if (flush(how)) {
      file_.fsync(how);
    } else {
      how.fail(*failure_);
    }
  }

  // Writes what is buffered and closes the file, which commits it. Errors as file::close, and those
  // of every write before. It is not open afterwards, even on failure: nothing can be read or written,
  // and closing again does nothing.
  void close(const call& how = {}) {
    const bool flushed = !is_open() || flush(how);
    forget_buffer();
    if (flushed) {
      file_.close(how);
    } else {
      abandon();
      how.fail(*failure_);
    }
  }

  // Closes the file and publishes nothing of what this wrote.
  void abandon() noexcept {
    file_ = file();
    forget_buffer();
  }

 protected:
  int_type underflow() override {
    start_reading();
    char* const base = buffer_.data();
    const std::size_t got = file_.pread(base, buffer_.size(), position_);
    position_ += got;
    setg(base, base, base + got);
    return got == 0 ? traits_type::eof() : traits_type::to_int_type(*base);
  }

  std::streamsize xsgetn(char* to, std::streamsize size) override {
    const std::streamsize buffered = std::min<std::streamsize>(size, egptr() - gptr());
    if (size - buffered < static_cast<std::streamsize>(buffer_.size())) {
      return std::streambuf::xsgetn(to, size);
    }
    std::copy_n(gptr(), buffered, to);
    gbump(static_cast<int>(buffered));
    start_reading();  // the rest goes straight to the caller
    const std::size_t got =
        file_.pread(to + buffered, static_cast<std::size_t>(size - buffered), position_);
    position_ += got;
    return buffered + static_cast<std::streamsize>(got);
  }

  int_type overflow(int_type c) override {
    if (!is_open()) return traits_type::eof();
    start_writing();
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    if (pptr() == epptr()) require_flush();
    *pptr() = traits_type::to_char_type(c);
    pbump(1);
    return c;
  }

  std::streamsize xsputn(const char* from, std::streamsize size) override {
    if (!is_open() || size < static_cast<std::streamsize>(buffer_.size())) {
      return std::streambuf::xsputn(from, size);
    }
    start_writing();
    require_flush();
    if (!write(from, static_cast<std::size_t>(size), {})) throw *failure_;
    return size;
  }

  int sync() override {
    require_flush();
    return 0;
  }

  pos_type seekoff(off_type offset, std::ios_base::seekdir direction,
                   std::ios_base::openmode) override {
    off_type base = 0;
    if (direction == std::ios_base::cur) {
      base = static_cast<off_type>(position_) - (egptr() - gptr()) + (pptr() - pbase());
      if (offset == 0) return base;  // only asks
    }
    require_flush();
    if (direction == std::ios_base::end) {
      base = static_cast<off_type>(file_.stat(fields::size).size);
    }
    if (base + offset < 0) return off_type(-1);
    setg(nullptr, nullptr, nullptr);
    position_ = static_cast<std::uint64_t>(base + offset);
    return base + offset;
  }

  pos_type seekpos(pos_type position, std::ios_base::openmode which) override {
    return seekoff(position, std::ios_base::beg, which);
  }

 private:
  // At any time the buffer is all get area, which ends at position_ in the file, or all put area,
  // which begins there, or neither.
  void start_reading() {
    require_flush();
    forget_buffer();
  }

  void forget_buffer() noexcept {
    setg(nullptr, nullptr, nullptr);
    setp(nullptr, nullptr);
  }

  void start_writing() {
    if (pbase()) return;
    position_ -= static_cast<std::uint64_t>(egptr() - gptr());
    setg(nullptr, nullptr, nullptr);
    setp(buffer_.data(), buffer_.data() + buffer_.size());
  }

  void require_flush() {
    if (!flush({})) throw *failure_;
  }

  bool flush(const call& how) {
    const auto size = static_cast<std::size_t>(pptr() - pbase());
    if (failure_ || (size > 0 && !write(pbase(), size, how))) return false;
    if (pbase()) setp(buffer_.data(), buffer_.data() + buffer_.size());
    return true;
  }

  bool write(const char* from, std::size_t size, const call& how) {
    std::error_code code;
    const call reporting = how.reporting_to(code);
    if (contains(file_.flags(), open_flags::append)) {
      position_ = file_.append(from, size, reporting);
    } else {
      file_.pwrite(from, size, position_, reporting);
    }
    if (code) {
      failure_.emplace(last_error());
      return false;
    }
    position_ += size;
    return true;
  }

  file file_;
  std::vector<char> buffer_;
  std::uint64_t position_ = 0;
  std::optional<error> failure_;  // of the first write that failed
};

namespace detail {

// What the three streams share: a std stream on a filebuf of its own.
template <typename Stream>
class file_stream : public Stream {
 public:
  // A stream on a file that is open. On one that is not, failbit is set.
  explicit file_stream(file opened) : Stream(nullptr), buffer_(std::move(opened)) {
    this->rdbuf(&buffer_);
    if (!is_open()) this->setstate(std::ios_base::failbit);
  }

  bool is_open() const noexcept { return buffer_.is_open(); }

  // Publishes: see filebuf::close. Throws or reports every failure of the stream's writes too,
  // whatever the stream's state and exceptions() are.
  void close(const call& how = {}) { buffer_.close(how); }

  // Closes and publishes nothing; so does destruction.
  void abandon() noexcept { buffer_.abandon(); }

  // Flushes, and returns when what was written would survive a loss of power: published or, with a
  // state_dir, in its journal. Errors as close.
  void fsync(const call& how = {}) { buffer_.fsync(how); }

 private:
  filebuf buffer_;
};

}  // namespace detail

// Reads a file. Opening throws or reports as file_system::open.
class ifstream : public detail::file_stream<std::istream> {
 public:
  using file_stream::file_stream;
  ifstream(const file_system& fs, location where, const call& how = {})
      : file_stream(fs.open(where, open_flags::read, how)) {}
};

// Writes a file, made or replaced by default. Only close() publishes it: a stream that is destroyed
// without, by an exception or otherwise, leaves the store and the file as they were.
class ofstream : public detail::file_stream<std::ostream> {
 public:
  using file_stream::file_stream;
  ofstream(const file_system& fs, location where, const call& how = {})
      : ofstream(fs, where, open_flags::create | open_flags::truncate, how) {}
  // With `flags` besides open_flags::write: create | append, create | exclusive, ...
  ofstream(const file_system& fs, location where, open_flags flags, const call& how = {})
      : file_stream(fs.open(where, flags | open_flags::write, how)) {}
};

// Reads and writes a file that exists, in place. Published as an ofstream is.
class fstream : public detail::file_stream<std::iostream> {
 public:
  using file_stream::file_stream;
  fstream(const file_system& fs, location where, const call& how = {})
      : fstream(fs, where, open_flags::read, how) {}
  // With `flags` besides open_flags::read and write: create, create | truncate, ...
  fstream(const file_system& fs, location where, open_flags flags, const call& how = {})
      : file_stream(fs.open(where, flags | open_flags::read | open_flags::write, how)) {}
};

}  // namespace s3files

#endif  // S3FILES_S3FILES_HPP_
