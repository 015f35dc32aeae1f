// recover: what a state directory has, without its store.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include "examples/cli/commands.h"
#include "examples/cli/local_tree.h"
#include "examples/cli/text.h"

namespace cli {
namespace {

constexpr std::size_t kBuffer = 4 << 20;
constexpr char kStrangers[] = ".s3files-strangers";
constexpr char kManifest[] = "/.s3files-manifest.jsonl";

const char* KindName(std::uint32_t kind) {
  const char* names[] = {"?", "staged", "conflict", "damaged", "stranger", "rename"};
  return names[kind <= 5 ? kind : 0];
}

const char* WhereName(std::uint64_t where) {
  return where == S3F_RESCUE_HERE ? "here" : where == S3F_RESCUE_IN_STORE ? "in_store" : "lost";
}

std::string JsonOf(const s3f_rescue_info& info) {
  Json json;
  json.Flag("whole", info.whole != 0).Text("url", info.url).Text("endpoint", info.endpoint);
  return json.Text("message", info.message).str();
}

std::string JsonOf(const s3f_rescue_entry& entry, const std::vector<s3f_rescue_range>& ranges) {
  Json json;
  json.Text("kind", KindName(entry.kind)).Flag("whole", entry.whole != 0).Number("row", entry.row);
  json.Text("path", entry.path).Text("message", entry.message).Number("size", entry.size);
  json.Number("staged_bytes", entry.staged_bytes);
  if (entry.type != 0) {
    json.Text("type", TypeName(entry.type)).Number("mode", entry.mode).Number("uid", entry.uid);
    json.Number("gid", entry.gid).Number("mtime_ns", entry.mtime_ns);
    json.Text("original", entry.original).Text("etag", entry.etag);
    json.Text("version_id", entry.version_id).Number("commits", entry.commits);
    json.Text("commit_id", entry.commit_id);
  }
  std::string list;
  for (const s3f_rescue_range& range : ranges) {
    Json one;
    one.Number("offset", range.offset).Number("size", range.size);
    list += (list.empty() ? "[" : ",") + one.Text("where", WhereName(range.where)).str();
  }
  return json.Raw("ranges", list.empty() ? "[]" : list + "]").str();
}

std::string Line(const s3f_rescue_entry& entry) {
  char columns[96];
  std::snprintf(columns, sizeof columns, "%-9s %10s of %10s  ", KindName(entry.kind),
                Bytes(entry.staged_bytes).c_str(), Bytes(entry.size).c_str());
  std::string line = columns + Shown(entry.path, isatty(STDOUT_FILENO) != 0);
  if (entry.original[0] != '\0') line += " (was " + std::string(entry.original) + ")";
  if (entry.commits > 0) line += "\n    a commit was sent, and may have taken effect";
  if (entry.whole == 0) line += std::string("\n    ") + entry.message;
  return line;
}

// Whether `path` stays below a directory that it is put behind.
bool StaysBelow(const std::string& path) {
  const std::string bounded = "/" + path + "/";
  return !path.empty() && bounded.find("/../") == std::string::npos &&
         bounded.find("//") == std::string::npos && bounded.find("/./") == std::string::npos;
}

class Export {
 public:
  Export(Session& session, s3files::rescue& state, const std::string& directory)
      : session_(session), state_(state), directory_(directory) {
    if (mkdir(directory_.c_str(), 0700) != 0) {
      if (errno != EEXIST) throw SystemFailure(directory_);
      bool empty = true;
      Place place;
      place.path = directory_;
      LocalTree()->ForEach(place, [&](const std::string&) { empty = false; });
      if (!empty) throw Failure(directory_ + " is not empty: name one that is, or a new one");
    }
    manifest_ = CreateLocal(directory_ + kManifest, 0600);
    Note(JsonOf(state_.info()));
  }

  void One(const s3f_rescue_entry& entry) {
    const std::vector<s3f_rescue_range> ranges = state_.ranges(session_.Call());
    Note(JsonOf(entry, ranges));
    if (entry.kind == S3F_RESCUE_DAMAGED || entry.kind == S3F_RESCUE_RENAME) return;
    std::string path = entry.path;
    if (!StaysBelow(path)) throw Failure(path + " is no path, and is left out");
    if (entry.kind == S3F_RESCUE_STRANGER) path = std::string(kStrangers) + "/" + path;
    for (std::size_t end = 0; (end = path.find('/', end + 1)) != std::string::npos;) {
      const std::string above = directory_ + "/" + path.substr(0, end);
      if (mkdir(above.c_str(), 0700) != 0 && errno != EEXIST) throw SystemFailure(above);
    }
    const std::uint32_t mode = entry.kind == S3F_RESCUE_STRANGER ? 0600 : entry.mode;
    const std::unique_ptr<Writer> writer = CreateLocal(directory_ + "/" + path, mode | 0400);
    for (const s3f_rescue_range& range : ranges) {
      if (range.where == S3F_RESCUE_HERE) Bytes(range, *writer);
    }
    const bool tail = !ranges.empty() && ranges.back().where != S3F_RESCUE_HERE;
    if (tail && entry.size > 0) writer->Write("", 1, entry.size - 1);  // what is not here is zeros
    writer->Publish();
    ++files_;
    const bool complete = std::all_of(ranges.begin(), ranges.end(), [](const auto& range) {
      return range.where == S3F_RESCUE_HERE;
    });
    if (!complete) ++incomplete_;
  }

  void End() {
    manifest_->Publish();
    std::string line = "exported " + std::to_string(files_) + " files to " + directory_;
    if (incomplete_ > 0) {
      line += "; " + std::to_string(incomplete_) +
              " have zeros where bytes are not here: see \"ranges\" in " + directory_ + kManifest;
    }
    if (!session_.settings().json) session_.Print(line);
  }

 private:
  void Note(const std::string& json) {
    manifest_->Write((json + "\n").data(), json.size() + 1, manifest_size_);
    manifest_size_ += json.size() + 1;
    if (session_.settings().json) session_.Print(json);
  }

  void Bytes(const s3f_rescue_range& range, Writer& writer) {
    buffer_.resize(kBuffer);
    for (std::uint64_t done = 0; done < range.size;) {
      const std::size_t most =
          static_cast<std::size_t>(std::min<std::uint64_t>(kBuffer, range.size - done));
      const std::size_t n = state_.read(buffer_.data(), most, range.offset + done, session_.Call());
      if (n == 0) throw Failure("the file of staged bytes was cut short");
      writer.Write(buffer_.data(), n, range.offset + done);
      done += n;
    }
  }

  Session& session_;
  s3files::rescue& state_;
  const std::string directory_;
  std::unique_ptr<Writer> manifest_;
  std::uint64_t manifest_size_ = 0;
  std::vector<char> buffer_;
  std::uint64_t files_ = 0, incomplete_ = 0;
};

}  // namespace

void RunRecover(Session& session, const Arguments& arguments) {
  const bool exporting = arguments.Has("--export"), verify = arguments.Has("--verify");
  if (exporting + verify + arguments.Has("--list") != 1 ||
      arguments.rest.size() != (exporting ? 2u : 1u)) {
    throw Usage("recover: one of --list STATE_DIR, --verify STATE_DIR, --export DIR STATE_DIR");
  }
  s3files::rescue state(arguments.rest.back(), session.Call());
  const s3f_rescue_info& info = state.info();
  if (!session.settings().json) {
    const std::string of = info.url[0] == '\0' ? "?" : info.url;
    session.Print("of: " + of +
                  (info.endpoint[0] == '\0' ? "" : std::string(" at ") + info.endpoint));
    if (info.message[0] != '\0') session.Print(std::string("journal: ") + info.message);
  } else if (!exporting) {
    session.Print(JsonOf(info));
  }
  std::unique_ptr<Export> target;
  if (exporting) target = std::make_unique<Export>(session, state, arguments.rest[0]);
  while (state.next(session.Call())) {
    const s3f_rescue_entry& entry = state.entry();
    if (target) {
      try {
        target->One(entry);
      } catch (const s3files::error& error) {
        if (session.Interrupted()) throw;
        session.Warn(std::string(entry.path) + ": " + error.message(), error.code().value());
      } catch (const Failure& failure) {
        session.Warn(failure.what(), failure.code);
      }
    }
    if ((target || verify) && entry.whole != 0) continue;
    if (!session.settings().json) {
      session.Print(Line(entry));
    } else if (!target) {  // which has told it, as the manifest has it
      session.Print(JsonOf(entry, state.ranges(session.Call())));
    }
  }
  if (target) target->End();
  if (info.whole == 0 && (verify || exporting)) {
    session.Warn(
        arguments.rest.back() + " is not whole: " +
        (verify ? "recover --export saves what is there" : "what is missing is named above"));
  } else if (verify && !session.settings().json) {
    session.Print("whole");
  }
}

}  // namespace cli
