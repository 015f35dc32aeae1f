// ls, stat, cat.
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "examples/cli/commands.h"
#include "examples/cli/text.h"

namespace cli {
namespace {

constexpr std::size_t kBuffer = 4 << 20;

struct Listing {
  bool full, recursive, terminal;
};

std::string Line(const std::string& name, const s3files::attributes& attr, const Listing& how) {
  const std::string shown = Shown(name, how.terminal) + (attr.is_directory() ? "/" : "");
  if (!how.full) return shown;
  char columns[128];
  std::snprintf(columns, sizeof columns, "%s %5u %5u %12llu %s ",
                Mode(attr.type, attr.mode).c_str(), attr.uid, attr.gid,
                static_cast<unsigned long long>(attr.size), Time(attr.mtime_ns).c_str());
  return columns + shown;
}

std::string JsonOf(const std::string& path, const s3files::attributes& attr) {
  Json json;
  json.Text("path", path).Text("type", TypeName(attr.type)).Number("size", attr.size);
  if (attr.has(s3files::fields::mode)) {
    json.Number("mode", attr.mode).Number("uid", attr.uid).Number("gid", attr.gid);
  }
  if (attr.has(s3files::fields::mtime)) json.Number("mtime_ns", attr.mtime_ns);
  if (attr.has(s3files::fields::ino)) json.Number("ino", attr.ino).Number("nlink", attr.nlink);
  return json.Text("etag", attr.etag).Text("version_id", attr.version_id).str();
}

void ListDirectory(Session& session, const Place& place, const std::string& above,
                   const Listing& how) {
  const auto fields = how.full ? s3files::fields::all : s3files::fields::listed;
  std::vector<std::string> below;
  for (auto entry = session.FileSystem(place).list(place.path, fields, session.Call());
       entry != s3files::directory_iterator(); entry.increment(session.Call())) {
    const std::string name = above + entry->name();
    session.Print(session.settings().json
                      ? JsonOf((place / entry->name()).path, entry->attributes())
                      : Line(name, entry->attributes(), how));
    if (how.recursive && entry->is_directory()) below.push_back(entry->name());
  }
  for (const std::string& name : below) {
    ListDirectory(session, place / name, above + name + "/", how);
  }
}

}  // namespace

void RunList(Session& session, const Arguments& arguments) {
  const Listing how{arguments.Has("-l"), arguments.Has("-R"), isatty(STDOUT_FILENO) != 0};
  for (const std::string& text : arguments.rest) {
    const Place place = session.PlaceOf(text);
    const s3files::attributes attr = session.FileSystem(place).lstat(place.path, session.Call());
    if (attr.is_directory()) {
      if (arguments.rest.size() > 1 && !session.settings().json) session.Print(text + ":");
      ListDirectory(session, place, "", how);
    } else {
      session.Print(session.settings().json ? JsonOf(place.path, attr)
                                            : Line(place.name(), attr, how));
    }
  }
}

void RunStat(Session& session, const Arguments& arguments) {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  for (const std::string& text : arguments.rest) {
    const Place place = session.PlaceOf(text);
    s3files::file_system& fs = session.FileSystem(place);
    const s3files::attributes attr = fs.lstat(place.path, session.Call());
    const std::string target =
        attr.is_symlink() ? fs.readlink(place.path, session.Call()) : std::string();
    if (session.settings().json) {
      std::string json = JsonOf(place.path, attr);
      if (attr.is_symlink()) {
        json.pop_back();
        json += "," + Json().Text("target", target).str().substr(1);
      }
      session.Print(json);
      continue;
    }
    session.Print("path:     " + Shown(place.path, terminal));
    session.Print(std::string("type:     ") + TypeName(attr.type));
    if (attr.is_symlink()) session.Print("target:   " + Shown(target, terminal));
    session.Print("size:     " + std::to_string(attr.size));
    session.Print("mode:     " + Mode(attr.type, attr.mode));
    session.Print("owner:    " + std::to_string(attr.uid) + " " + std::to_string(attr.gid));
    session.Print("modified: " + Time(attr.mtime_ns) + " UTC");
    session.Print(std::string("etag:     ") + attr.etag);
    if (attr.version_id[0] != '\0') session.Print(std::string("version:  ") + attr.version_id);
  }
}

void RunCat(Session& session, const Arguments& arguments) {
  std::vector<char> buffer(kBuffer);
  for (const std::string& text : arguments.rest) {
    const Place place = session.PlaceOf(text);
    const s3files::file file =
        session.FileSystem(place).open(place.path, s3files::open_flags::read, session.Call());
    std::uint64_t offset = 0;
    while (const std::size_t n = file.pread(buffer.data(), buffer.size(), offset, session.Call())) {
      if (std::fwrite(buffer.data(), 1, n, stdout) != n) throw SystemFailure("stdout");
      offset += n;
    }
  }
  if (std::fflush(stdout) != 0) throw SystemFailure("stdout");
}

}  // namespace cli
