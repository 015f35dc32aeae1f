// What a command is given, and the file systems that it has open.
#ifndef S3FILES_EXAMPLES_CLI_SESSION_H_
#define S3FILES_EXAMPLES_CLI_SESSION_H_

#include <map>
#include <s3files/s3files.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "examples/cli/progress.h"

namespace cli {

// What was asked for cannot be; `what` names the thing and the remedy.
struct Usage : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// A failure of this program or of the host, not of the library.
struct Failure : std::runtime_error {
  explicit Failure(const std::string& message, int errno_code = 0)
      : std::runtime_error(message), code(errno_code) {}
  int code;  // 0: none is known
};
// `path`: what errno says of it.
Failure SystemFailure(const std::string& path);

// What is the same for all commands.
struct Settings {
  s3files::options options;
  std::string state_dir;
  std::string root;
  bool json = false;
  bool progress = false;  // also where stderr is no terminal
};

// On stderr, for people or for programs. `code`: errno; 0: none is known.
void TellFailure(const Settings& settings, const std::string& message, int code);

// A file or directory, here or in a bucket.
struct Place {
  std::string text;    // as it was given
  std::string root;    // URL of a file system; empty: it is here
  std::string path;    // without a '/' at either end where it is in a bucket
  bool slash = false;  // `text` ends with one: a directory is meant

  bool local() const { return root.empty(); }
  bool stream() const { return local() && path == "-"; }  // stdin or stdout
  std::string name() const;                               // the last component
  Place operator/(const std::string& child) const;
};

class Session {
 public:
  // `never`: what a state directory has staged is not to be committed by opening it.
  Session(Settings settings, bool never);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Settings& settings() const { return settings_; }
  Progress& progress() { return progress_; }
  // A path in a bucket, or, where `local_too`, here.
  Place PlaceOf(const std::string& text, bool local_too = false) const;
  // The file system that has it, open.
  s3files::file_system& FileSystem(const Place& place);
  // For each call: SIGINT and SIGTERM end it.
  s3files::call Call() const;
  s3files::call Call(std::error_code& code) const;
  bool Interrupted() const;

  void RequireStateDir(const char* command) const;
  void Print(const std::string& line) const;  // to stdout
  // Says so on stderr; the command goes on, and ends with 1.
  void Warn(const std::string& message, int code = 0);
  bool warned() const { return warned_; }
  // Commits what may be committed, and ends the file systems.
  void Close();

 private:
  void RequireJournal() const;

  Settings settings_;
  const bool never_;
  Progress progress_;
  bool warned_ = false;
  std::map<std::string, s3files::file_system> open_;
};

}  // namespace cli

#endif  // S3FILES_EXAMPLES_CLI_SESSION_H_
