#include "examples/demo/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <system_error>

extern char** environ;

namespace demo {
namespace {

[[noreturn]] void Throw(int code, const std::string& what) {
  throw std::system_error(code, std::generic_category(), what);
}

// A pipe that no other program inherits by accident.
struct Pipe {
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) Throw(errno, "pipe");
  }
  int ends[2];  // read, write
};

int Wait(pid_t pid) {
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

}  // namespace

Process::Process(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  Pipe in, out;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.ends[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.ends[1], STDOUT_FILENO);
  // Not in the terminal's foreground group: an interrupt is ours to handle, and the server stays.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawnp(&pid_, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(in.ends[0]);
  close(out.ends[1]);
  input_ = in.ends[1];
  output_ = out.ends[0];
  if (error != 0) {
    CloseInput();
    close(output_);
    Throw(error, "cannot run " + command[0]);
  }
}

Process::~Process() {
  CloseInput();
  close(output_);
  if (pid_ < 0) return;
  kill(pid_, SIGTERM);
  Wait(pid_);
}

void Process::CloseInput() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

void Process::Write(const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t wrote = write(input_, text.data() + done, text.size() - done);
    if (wrote < 0 && errno != EINTR) Throw(errno, "writing to a program");
    if (wrote > 0) done += static_cast<size_t>(wrote);
  }
}

std::string Process::ReadLine() {
  std::string line;
  for (char c; read(output_, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

std::string Process::Finish(bool* succeeded) {
  CloseInput();
  std::string all;
  char buffer[64 * 1024];
  for (ssize_t got; (got = read(output_, buffer, sizeof buffer)) != 0;) {
    if (got < 0 && errno != EINTR) Throw(errno, "reading from a program");
    if (got > 0) all.append(buffer, static_cast<size_t>(got));
  }
  const int status = Wait(pid_);
  pid_ = -1;
  *succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return all;
}

std::string Run(const std::vector<std::string>& command, const std::string& input) {
  Process process(command);
  process.Write(input);
  bool succeeded = false;
  std::string output = process.Finish(&succeeded);
  if (!succeeded) throw std::runtime_error(command[0] + " failed; its message is above");
  return output;
}

std::string OwnProgram() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

}  // namespace demo
