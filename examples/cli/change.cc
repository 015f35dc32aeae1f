// mv, rm, mkdir.
#include <cerrno>
#include <vector>

#include "examples/cli/commands.h"

namespace cli {
namespace {

// Everything below goes first; what cannot be removed is told, and its directories stay.
bool RemoveTree(Session& session, const Place& place) {
  s3files::file_system& fs = session.FileSystem(place);
  std::vector<std::string> names;
  std::vector<bool> directory;
  for (auto entry = fs.list(place.path, session.Call()); entry != s3files::directory_iterator();
       entry.increment(session.Call())) {
    names.push_back(entry->name());
    directory.push_back(entry->is_directory());
  }
  bool all = true;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Place below = place / names[i];
    if (directory[i]) {
      all = RemoveTree(session, below) && all;
      continue;
    }
    std::error_code code;
    fs.unlink(below.path, session.Call(code));
    if (code.value() == ECANCELED) throw s3files::last_error();
    if (code && code.value() != ENOENT) {
      session.Warn(std::string("cannot remove ") + s3files::last_error().message(), code.value());
      all = false;
    }
  }
  if (!all || place.path.empty()) return all;
  std::error_code code;
  fs.rmdir(place.path, session.Call(code));
  if (!code || code.value() == ENOENT) return true;  // an implied one is gone with its last child
  session.Warn(std::string("cannot remove ") + s3files::last_error().message(), code.value());
  return false;
}

}  // namespace

void RunRemove(Session& session, const Arguments& arguments) {
  for (const std::string& text : arguments.rest) {
    const Place place = session.PlaceOf(text);
    s3files::file_system& fs = session.FileSystem(place);
    const bool directory =
        fs.lstat(place.path, s3files::fields::type, session.Call()).is_directory();
    if (!directory) {
      fs.unlink(place.path, session.Call());
    } else if (!arguments.Has("-r")) {
      throw Failure(text + " is a directory: rm -r removes it with all that is in it");
    } else if (place.path.empty() && place.root.rfind("s3://", 0) == 0 &&
               session.settings().root.empty() && !arguments.Has("--everything")) {
      throw Failure(text + " is all of the bucket: add --everything if that is meant");
    } else {
      RemoveTree(session, place);
    }
  }
}

void RunMove(Session& session, const Arguments& arguments) {
  const Place from = session.PlaceOf(arguments.rest[0], true);
  Place to = session.PlaceOf(arguments.rest[1], true);
  if (from.local() || to.local() || from.root != to.root) {
    throw Usage("mv renames within one root; between " + from.text + " and " + to.text +
                " use cp, then rm");
  }
  s3files::file_system& fs = session.FileSystem(from);
  std::error_code code;
  const bool into = fs.stat(to.path, s3files::fields::type, session.Call(code)).is_directory();
  if (code && code.value() != ENOENT) throw s3files::last_error();
  if (into) to = to / from.name();
  fs.rename(from.path, to.path,
            arguments.Has("-n") ? s3files::rename_flags::no_replace : s3files::rename_flags::none,
            session.Call());
}

void RunMakeDirectory(Session& session, const Arguments& arguments) {
  for (const std::string& text : arguments.rest) {
    const Place place = session.PlaceOf(text);
    s3files::file_system& fs = session.FileSystem(place);
    if (!arguments.Has("-p")) {
      fs.mkdir(place.path, session.Call());
      continue;
    }
    for (std::size_t end = 0; end != std::string::npos;) {
      end = place.path.find('/', end + 1);
      std::error_code code;
      const std::string part = place.path.substr(0, end);
      fs.mkdir(part, session.Call(code));
      if (code && code.value() != EEXIST) throw s3files::last_error();
    }
    if (!fs.stat(place.path, s3files::fields::type, session.Call()).is_directory()) {
      throw Failure(text + " exists, and is no directory");
    }
  }
}

}  // namespace cli
