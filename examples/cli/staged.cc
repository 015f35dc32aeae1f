// status, commit, discard.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <utility>

#include "examples/cli/commands.h"
#include "examples/cli/text.h"

namespace cli {
namespace {

const char* StateName(s3files::staged_state state) {
  const char* names[] = {"clean", "staged", "committing", "failed", "conflict"};
  return names[static_cast<std::uint32_t>(state)];
}

// In how many nanoseconds the next attempt is; 0: none, or now.
std::uint64_t Ahead(const s3files::status_info& status) {
  if (!status.next_attempt) return 0;
  const auto ahead = *status.next_attempt - std::chrono::steady_clock::now();
  return ahead.count() > 0 ? static_cast<std::uint64_t>(ahead.count()) : 0;
}

void Show(Session& session, const std::string& path, const s3files::status_info& status) {
  const auto age = static_cast<std::uint64_t>(status.age.count());
  if (session.settings().json) {
    Json json;
    json.Text("path", path).Text("state", StateName(status.state));
    json.Number("staged_bytes", status.staged_bytes).Number("age_ns", age);
    json.Number("attempts", status.attempts).Number("errno", std::int64_t{status.code.value()});
    json.Text("error", status.message).Text("export_error", status.export_error);
    if (status.next_attempt) json.Number("next_attempt_in_ns", Ahead(status));
    session.Print(json.str());
    return;
  }
  char columns[96];
  std::snprintf(columns, sizeof columns, "%-10s %10s %8s  ", StateName(status.state),
                Bytes(status.staged_bytes).c_str(), Age(age).c_str());
  std::string line = columns + Shown(path, isatty(STDOUT_FILENO) != 0);
  if (status.attempts > 0) line += "\n    attempts: " + std::to_string(status.attempts);
  if (status.code) line += "\n    error: " + status.message;
  if (!status.export_error.empty()) line += "\n    export error: " + status.export_error;
  if (Ahead(status) > 0) line += "\n    next attempt in " + Age(Ahead(status));
  session.Print(line);
}

void ShowDiff(Session& session, const s3files::diff_info& diff) {
  const std::pair<const char*, std::uint64_t> requests[] = {
      {"head", diff.head},
      {"put", diff.put},
      {"copy", diff.copy},
      {"create_upload", diff.create_upload},
      {"upload_part", diff.upload_part},
      {"copy_part", diff.copy_part},
      {"complete_upload", diff.complete_upload}};
  if (session.settings().json) {
    Json json;
    json.Number("files", diff.files).Number("directories", diff.directories);
    for (const auto& [name, count] : requests) json.Number(name, count);
    json.Number("bytes_out", diff.bytes_out).Number("bytes_copied", diff.bytes_copied);
    session.Print(json.Number("bytes_in", diff.bytes_in).str());
    return;
  }
  session.Print("files:        " + std::to_string(diff.files));
  if (diff.directories > 0) session.Print("directories:  " + std::to_string(diff.directories));
  for (const auto& [name, count] : requests) {
    if (count > 0) session.Print("requests:     " + std::to_string(count) + " " + name);
  }
  session.Print("to send:      " + Bytes(diff.bytes_out));
  session.Print("store copies: " + Bytes(diff.bytes_copied));
  session.Print("to read:      at most " + Bytes(diff.bytes_in));
}

}  // namespace

void RunStatus(Session& session, const Arguments& arguments) {
  session.RequireStateDir("status");
  const Place place = session.PlaceOf(arguments.rest[0]);
  s3files::file_system& fs = session.FileSystem(place);
  for (const std::string& staged : fs.staged(session.Call())) {
    const std::string path = staged.substr(1);
    const bool below =
        place.path.empty() || path == place.path || path.rfind(place.path + "/", 0) == 0;
    if (below) Show(session, path, fs.status(path, session.Call()));
  }
  // What a conflict has left is staged no more.
  std::error_code code;
  if (!place.path.empty()) return;
  const std::string lost = ".s3files-lost+found";
  for (auto entry = fs.list(lost, session.Call(code)); entry != s3files::directory_iterator();
       entry.increment(session.Call())) {
    const std::string path = lost + "/" + entry->name();
    const s3files::status_info status = fs.status(path, session.Call());
    if (status.state == s3files::staged_state::conflict) Show(session, path, status);
  }
}

void RunCommit(Session& session, const Arguments& arguments) {
  session.RequireStateDir("commit");
  const Place place = session.PlaceOf(arguments.rest[0]);
  s3files::file_system& fs = session.FileSystem(place);
  if (arguments.Has("--dry-run")) {
    ShowDiff(session, fs.diff(place.path, session.Call()));
    return;
  }
  const s3files::commit_info done = fs.commit(place.path, session.Call());
  if (session.settings().json) {
    Json json;
    json.Number("files", done.files).Number("bytes", done.bytes);
    session.Print(json.Text("etag", done.etag).Text("version_id", done.version_id).str());
    return;
  }
  std::string line = "committed " + std::to_string(done.files) +
                     (done.files == 1 ? " file, " : " files, ") + Bytes(done.bytes);
  if (!done.etag.empty()) line += ", version " + done.etag;
  if (!done.version_id.empty()) line += " (" + done.version_id + ")";
  session.Print(line);
}

void RunDiscard(Session& session, const Arguments& arguments) {
  session.RequireStateDir("discard");
  for (const std::string& text : arguments.rest) {
    const Place place = session.PlaceOf(text);
    s3files::file_system& fs = session.FileSystem(place);
    if (fs.status(place.path, session.Call()).state == s3files::staged_state::clean) {
      throw Failure(text + " has nothing staged: status tells what has");
    }
    fs.discard(place.path, session.Call());
  }
}

}  // namespace cli
