#include "examples/cli/session.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <thread>
#include <utility>

#include "examples/cli/text.h"

namespace cli {
namespace {

std::atomic<bool> interrupted{false};

// Fired by the first signal; never destroyed, since calls may still look at it. The second signal ends
// the process at once.
s3files::cancel_token& Token() {
  static s3files::cancel_token& token = *[] {
    auto* made = new s3files::cancel_token;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::thread([made, signals] {
      int signal = 0;
      while (sigwait(&signals, &signal) == 0) {
        if (interrupted.exchange(true)) _exit(130);
        made->fire();
      }
    }).detach();
    return made;
  }();
  return token;
}

bool HasScheme(const std::string& text) {
  for (const char* scheme : {"s3://", "file://", "memory://"}) {
    if (text.rfind(scheme, 0) == 0) return true;
  }
  return false;
}

std::string Trimmed(std::string path) {
  while (!path.empty() && path.back() == '/') path.pop_back();
  const std::size_t first = path.find_first_not_of('/');
  return first == std::string::npos ? "" : path.substr(first);
}

}  // namespace

void TellFailure(const Settings& settings, const std::string& message, int code) {
  if (settings.json) {
    std::cerr << Json().Text("error", message).Number("errno", std::int64_t{code}).str() << '\n';
  } else {
    std::cerr << "s3files: " << message << '\n';
  }
}

Failure SystemFailure(const std::string& path) {
  const int code = errno;
  return Failure(path + ": " + strerror(code), code);
}

std::string Place::name() const {
  std::string whole = path;
  while (whole.size() > 1 && whole.back() == '/') whole.pop_back();
  const std::size_t slash_at = whole.rfind('/');
  return slash_at == std::string::npos ? whole : whole.substr(slash_at + 1);
}

Place Place::operator/(const std::string& child) const {
  Place below = *this;
  below.slash = false;
  below.path = path.empty() ? child : path + (path.back() == '/' ? "" : "/") + child;
  below.text = text + (!text.empty() && text.back() == '/' ? "" : "/") + child;
  return below;
}

Session::Session(Settings settings, bool never)
    : settings_(std::move(settings)),
      never_(never),
      progress_(settings_.progress || isatty(STDERR_FILENO) != 0) {
  Token();
}

Session::~Session() = default;

Place Session::PlaceOf(const std::string& text, bool local_too) const {
  Place place;
  place.text = text;
  place.slash = !text.empty() && text.back() == '/';
  if (!HasScheme(text)) {
    if (!local_too) {
      throw Usage("\"" + text +
                  "\" is no path in a bucket: begin with s3://BUCKET/ or file:///DIR//");
    }
    if (text.empty()) throw Usage("an argument is empty: name a file, or a path in a bucket");
    place.path = text;
    return place;
  }
  const std::size_t begin = text.find("://") + 3;
  std::size_t end = text.find("//", begin);
  if (!settings_.root.empty()) {
    const std::string& root = settings_.root;
    const bool below = text.rfind(root, 0) == 0 && (text.size() == root.size() ||
                                                    root.back() == '/' || text[root.size()] == '/');
    if (!below) throw Usage(text + " is not below --root " + root);
    end = root.size();
  } else if (end == std::string::npos) {
    end = text.rfind("s3://", 0) == 0 ? std::min(text.find('/', begin), text.size()) : text.size();
  }
  place.root = text.substr(0, end);
  place.path = Trimmed(text.substr(end));
  return place;
}

s3files::file_system& Session::FileSystem(const Place& place) {
  const auto found = open_.find(place.root);
  if (found != open_.end()) return found->second;
  s3files::options options = settings_.options;
  if (!settings_.state_dir.empty()) {
    if (!open_.empty()) {
      throw Usage("a state directory belongs to one root: " + open_.begin()->first + " has it, " +
                  place.root + " needs a command of its own");
    }
    if (never_) RequireJournal();
    options["state_dir"] = settings_.state_dir;
    if (never_) options["commit_delay"] = "never";
  }
  auto on_event = [this](const s3files::event& event) { progress_.OnEvent(event); };
  try {
    return open_.emplace(place.root, s3files::file_system(place.root, options, on_event, Call()))
        .first->second;
  } catch (const s3files::error& error) {
    if (error.code() == std::errc::invalid_argument) throw Usage(error.message());
    throw;
  }
}

// Opening would make what is missing, and whoever only looks changes nothing.
void Session::RequireJournal() const {
  const std::string& directory = settings_.state_dir;
  if (access(directory.c_str(), F_OK) != 0) throw SystemFailure("state directory " + directory);
  if (access((directory + "/journal.db").c_str(), F_OK) != 0 && errno == ENOENT) {
    throw Failure(directory + " has no journal.db: recover --list tells what else it has", ENOENT);
  }
}

s3files::call Session::Call() const { return s3files::call().cancelled_by(Token()); }
s3files::call Session::Call(std::error_code& code) const {
  return s3files::call(code).cancelled_by(Token());
}
bool Session::Interrupted() const { return interrupted.load(); }

void Session::RequireStateDir(const char* command) const {
  if (settings_.state_dir.empty()) {
    throw Usage(std::string(command) +
                " needs --state-dir DIR: nothing else stays staged when a process ends");
  }
}

void Session::Print(const std::string& line) const {
  std::cout << line << '\n';
  if (!std::cout) throw Failure("cannot write to stdout");
}

void Session::Warn(const std::string& message, int code) {
  progress_.Clear();
  TellFailure(settings_, message, code);
  warned_ = true;
}

void Session::Close() {
  for (auto& [root, fs] : open_) fs.close(Call());
  open_.clear();
}

}  // namespace cli
