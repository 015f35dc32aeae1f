#ifndef S3FILES_EXAMPLES_DEMO_PROCESS_H_
#define S3FILES_EXAMPLES_DEMO_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace demo {

// Another program, with pipes to its standard input and from its standard output.
class Process {
 public:
  // Throws where it cannot be started. The program is looked for in PATH.
  explicit Process(const std::vector<std::string>& command);
  // Ends it with SIGTERM, if it still runs, and waits for that.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Write(const std::string& text);
  std::string ReadLine();  // without the newline; what there is where the output ends before
  // Closes its input, and returns the rest of its output and, below, whether it exited with 0.
  std::string Finish(bool* succeeded);

 private:
  void CloseInput();

  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
};

// Runs a program to its end and returns its output. Throws where it fails.
std::string Run(const std::vector<std::string>& command, const std::string& input = "");

// The file that this program runs from.
std::string OwnProgram();

}  // namespace demo

#endif  // S3FILES_EXAMPLES_DEMO_PROCESS_H_
