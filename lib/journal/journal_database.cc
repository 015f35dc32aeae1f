#include "lib/journal/journal_database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

// user_version of the database. 1 had rows of staged files only, as 2 has them; 2 had no bytes in rows.
constexpr int kFormat = 3;
constexpr size_t kPageSize = 4096;
constexpr uint64_t kLastId = INT64_MAX - 1;
constexpr uint64_t kMostTried = 100'000;  // ids, one by one, behind a damaged page

int ErrnoOfSqlite(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return ENOSPC;
    case SQLITE_READONLY:
      return EROFS;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return EACCES;
    case SQLITE_BUSY:
      return EBUSY;
    default:
      return EIO;
  }
}

// A statement that ends with its scope.
class Statement {
 public:
  Statement(sqlite3* db, const char* sql)
      : code_(sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr)) {}
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  int code() const { return code_; }
  sqlite3_stmt* get() const { return statement_; }
  int Step() { return code_ == SQLITE_OK ? sqlite3_step(statement_) : code_; }

 private:
  sqlite3_stmt* statement_ = nullptr;
  const int code_;
};

absl::string_view BlobOf(sqlite3_stmt* statement, int column) {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
  return {bytes,
          bytes == nullptr ? 0 : static_cast<size_t>(sqlite3_column_bytes(statement, column))};
}

// The row `id`: SQLITE_ROW, SQLITE_DONE where there is none, or what is wrong with it.
int ReadRow(sqlite3* db, uint64_t id, std::string* row) {
  Statement select(db, "SELECT row FROM staged WHERE id=?");
  if (select.code() != SQLITE_OK) return select.code();
  sqlite3_bind_int64(select.get(), 1, static_cast<sqlite3_int64>(id));
  const int code = select.Step();
  if (code != SQLITE_ROW) return code;
  const absl::string_view bytes = BlobOf(select.get(), 0);
  if (bytes.empty()) return SQLITE_CORRUPT;  // also where its end lies on a page that is damaged
  row->assign(bytes.data(), bytes.size());
  return SQLITE_ROW;
}

// The ids from `*next` on, as far as they can be read: SQLITE_DONE, or what ended it.
int ReadIds(sqlite3* db, uint64_t* next, std::vector<uint64_t>* ids) {
  Statement select(db, "SELECT id FROM staged WHERE id>=? ORDER BY id");
  if (select.code() != SQLITE_OK) return select.code();
  sqlite3_bind_int64(select.get(), 1, static_cast<sqlite3_int64>(*next));
  int code;
  while ((code = select.Step()) == SQLITE_ROW) {
    const auto id = static_cast<uint64_t>(sqlite3_column_int64(select.get(), 0));
    if (id < *next || id > kLastId) return SQLITE_CORRUPT;
    ids->push_back(id);
    *next = id + 1;
  }
  return code;
}

// The first id from `id` on: SQLITE_ROW, SQLITE_DONE where there is none, or what ended the search.
int Seek(sqlite3* db, uint64_t id, uint64_t* found) {
  Statement select(db, "SELECT id FROM staged WHERE id>=? ORDER BY id LIMIT 1");
  if (select.code() != SQLITE_OK) return select.code();
  sqlite3_bind_int64(select.get(), 1, static_cast<sqlite3_int64>(id));
  const int code = select.Step();
  if (code == SQLITE_ROW) *found = static_cast<uint64_t>(sqlite3_column_int64(select.get(), 0));
  return code == SQLITE_ROW && (*found < id || *found > kLastId) ? SQLITE_CORRUPT : code;
}

// An id behind the damaged page that hides `from`: one by one, then, where ids are far apart, in
// steps that double; nullopt: there is none.
std::optional<uint64_t> FindBehind(sqlite3* db, uint64_t from) {
  std::string row;
  uint64_t bad = from;
  for (const uint64_t end = from + kMostTried; bad < end; ++bad) {
    if (ReadRow(db, bad, &row) == SQLITE_ROW) return bad;
  }
  uint64_t found = 0, good = bad;
  int code = SQLITE_CORRUPT;
  for (uint64_t step = kMostTried; good < kLastId / 2 && code != SQLITE_ROW && code != SQLITE_DONE;
       step *= 2) {
    bad = good;
    good += std::min(step, kLastId / 2);
    code = Seek(db, good, &found);
  }
  if (code != SQLITE_ROW && code != SQLITE_DONE) return std::nullopt;
  while (good - bad > 1) {
    const uint64_t middle = bad + (good - bad) / 2;
    const int there = Seek(db, middle, &found);
    (there == SQLITE_ROW || there == SQLITE_DONE ? good : bad) = middle;
  }
  if (Seek(db, good, &found) != SQLITE_ROW) return std::nullopt;
  return found;
}

}  // namespace

struct JournalDatabase::Sqlite {
  ~Sqlite() {
    for (sqlite3_stmt* statement : {put, remove}) sqlite3_finalize(statement);
    sqlite3_close(db);
  }
  sqlite3* db = nullptr;
  sqlite3_stmt* put = nullptr;
  sqlite3_stmt* remove = nullptr;
};

JournalDatabase::JournalDatabase(std::string path)
    : path_(std::move(path)), sqlite_(std::make_unique<Sqlite>()) {}

JournalDatabase::~JournalDatabase() = default;

absl::Status JournalDatabase::Connect() {
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  S3FILES_RETURN_IF_ERROR(Check(sqlite3_open_v2(path_.c_str(), &sqlite_->db, kFlags, nullptr)));
  // One process owns it: no shared memory is needed. FULL: a transaction survives a loss of power.
  return Run(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
      "PRAGMA synchronous=FULL;");
}

absl::Status JournalDatabase::MakeTables() {
  return Run(
      absl::StrCat("CREATE TABLE IF NOT EXISTS staged("
                   "id INTEGER PRIMARY KEY, row BLOB NOT NULL);"
                   "CREATE TABLE IF NOT EXISTS store(url BLOB NOT NULL);"
                   "PRAGMA user_version=",
                   kFormat));
}

absl::Status JournalDatabase::Open(bool staged) {
  // SQLite gives its other files the permissions of this one.
  const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Error(errno, absl::StrCat("cannot open ", path_, ": ", strerror(errno)));
  close(fd);
  S3FILES_RETURN_IF_ERROR(Connect());
  S3FILES_ASSIGN_OR_RETURN(const std::string check, Text("PRAGMA quick_check(1)"));
  if (check != "ok") return Error(EIO, absl::StrCat(path_, " is damaged: ", check));
  S3FILES_ASSIGN_OR_RETURN(const std::string version, Text("PRAGMA user_version"));
  int format = 0;
  if (!absl::SimpleAtoi(version, &format) || format > kFormat) {
    return Error(ENOTSUP, absl::StrCat(path_, " is of format ", version,
                                       ", which a later s3files "
                                       "has written; use that, or another state_dir"));
  }
  if (format == 0 && staged) {
    return Error(EIO, absl::StrCat(path_, " is empty, though there are staged files"));
  }
  S3FILES_RETURN_IF_ERROR(MakeTables());
  constexpr char kPut[] = "INSERT OR REPLACE INTO staged(id,row) VALUES(?,?)";
  S3FILES_RETURN_IF_ERROR(Check(sqlite3_prepare_v2(sqlite_->db, kPut, -1, &sqlite_->put, nullptr)));
  constexpr char kRemove[] = "DELETE FROM staged WHERE id=?";
  return Check(sqlite3_prepare_v2(sqlite_->db, kRemove, -1, &sqlite_->remove, nullptr));
}

absl::Status JournalDatabase::OpenDamaged(std::string* message) {
  message->clear();
  absl::StatusOr<std::string> found = "";
  if (absl::Status status = Connect(); !status.ok()) {
    found = status;
  } else {
    found = Text("SELECT count(*) FROM sqlite_schema WHERE name IN ('staged','store')");
  }
  if (!found.ok() || *found != "2") {
    *message = found.ok() ? "its tables are gone" : std::string(found.status().message());
    sqlite_ = std::make_unique<Sqlite>();
    S3FILES_RETURN_IF_ERROR(ReplaceFirstPage());
    return Connect();
  }
  const absl::StatusOr<std::string> check = Text("PRAGMA quick_check(1)");
  if (!check.ok()) *message = std::string(check.status().message());
  if (check.ok() && *check != "ok") *message = *check;
  return absl::OkStatus();
}

// The first page says what tables there are and where they begin, which is always the same: it is
// taken from a new database.
absl::Status JournalDatabase::ReplaceFirstPage() {
  const std::string fresh = path_ + ".new";
  {
    JournalDatabase made(fresh);
    S3FILES_RETURN_IF_ERROR(made.Connect());
    S3FILES_RETURN_IF_ERROR(made.MakeTables());
  }
  char page[kPageSize];
  const int from = open(fresh.c_str(), O_RDONLY | O_CLOEXEC);
  const bool read = from >= 0 && pread(from, page, kPageSize, 0) == ssize_t{kPageSize};
  if (from >= 0) close(from);
  unlink(fresh.c_str());
  const int to = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  struct stat info = {};
  bool written = read && to >= 0 && fstat(to, &info) == 0;
  if (written) {
    const uint64_t pages = static_cast<uint64_t>(info.st_size) / kPageSize;
    for (int i = 0; i < 4; ++i) page[28 + i] = static_cast<char>(pages >> (24 - 8 * i));
    written = pwrite(to, page, kPageSize, 0) == ssize_t{kPageSize};
  }
  if (to >= 0) close(to);
  return written ? absl::OkStatus() : Error(EIO, absl::StrCat(path_, " cannot be read at all"));
}

absl::Status JournalDatabase::Run(const std::string& sql) {
  return Check(sqlite3_exec(sqlite_->db, sql.c_str(), nullptr, nullptr, nullptr));
}

absl::Status JournalDatabase::Check(int code) const {
  if (code == SQLITE_OK || code == SQLITE_DONE) return absl::OkStatus();
  return Error(
      ErrnoOfSqlite(code),
      absl::StrCat("journal ", path_, ": ",
                   sqlite_->db != nullptr ? sqlite3_errmsg(sqlite_->db) : sqlite3_errstr(code)));
}

absl::Status JournalDatabase::Put(uint64_t id, absl::string_view row) {
  sqlite3_bind_int64(sqlite_->put, 1, static_cast<sqlite3_int64>(id));
  sqlite3_bind_blob64(sqlite_->put, 2, row.data(), row.size(), SQLITE_STATIC);
  absl::Status status = Check(sqlite3_step(sqlite_->put));
  sqlite3_reset(sqlite_->put);
  sqlite3_clear_bindings(sqlite_->put);
  return status;
}

absl::Status JournalDatabase::Remove(uint64_t id) {
  sqlite3_bind_int64(sqlite_->remove, 1, static_cast<sqlite3_int64>(id));
  absl::Status status = Check(sqlite3_step(sqlite_->remove));
  sqlite3_reset(sqlite_->remove);
  return status;
}

absl::StatusOr<std::string> JournalDatabase::Text(const char* sql) {
  Statement statement(sqlite_->db, sql);
  const int result = statement.Step();
  if (result != SQLITE_ROW) return Check(result == SQLITE_DONE ? SQLITE_CORRUPT : result);
  const unsigned char* text = sqlite3_column_text(statement.get(), 0);
  return text == nullptr ? "" : std::string(reinterpret_cast<const char*>(text));
}

absl::StatusOr<std::string> JournalDatabase::Url() {
  return Text("SELECT coalesce(max(url),'') FROM store");
}

absl::Status JournalDatabase::SetUrl(const std::string& url) {
  S3FILES_RETURN_IF_ERROR(Run("DELETE FROM store"));
  Statement insert(sqlite_->db, "INSERT INTO store(url) VALUES(?)");
  S3FILES_RETURN_IF_ERROR(Check(insert.code()));
  sqlite3_bind_text64(insert.get(), 1, url.data(), url.size(), SQLITE_STATIC, SQLITE_UTF8);
  return Check(insert.Step());
}

absl::Status JournalDatabase::ForEach(const Visit& visit) {
  Statement select(sqlite_->db, "SELECT id,row FROM staged ORDER BY id");
  int result;
  while ((result = select.Step()) == SQLITE_ROW) {
    visit(static_cast<uint64_t>(sqlite3_column_int64(select.get(), 0)), BlobOf(select.get(), 1));
  }
  return Check(result);
}

std::vector<JournalDatabase::Gap> JournalDatabase::ForEachReadable(const Visit& visit) {
  sqlite3* const db = sqlite_->db;
  std::vector<Gap> gaps;
  std::vector<uint64_t> ids;
  uint64_t next = 1;
  std::string row;
  int code;
  while ((code = ReadIds(db, &next, &ids)) != SQLITE_DONE) {
    // A damaged page hides some ids; a search by number finds the next page.
    const std::optional<uint64_t> behind = FindBehind(db, next);
    gaps.push_back({next, behind ? *behind - 1 : kLastId, sqlite3_errstr(code)});
    if (!behind) break;
    if (*behind == next) gaps.pop_back();
    ids.push_back(*behind);
    next = *behind + 1;
  }
  for (const uint64_t id : ids) {
    const int read = ReadRow(db, id, &row);
    if (read == SQLITE_ROW) {
      visit(id, row);
    } else {
      gaps.push_back({id, id, sqlite3_errstr(read)});
    }
  }
  return gaps;
}

}  // namespace s3files
