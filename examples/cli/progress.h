// A bar on stderr: what is copied, how much of it, how fast.
#ifndef S3FILES_EXAMPLES_CLI_PROGRESS_H_
#define S3FILES_EXAMPLES_CLI_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <mutex>
#include <s3files/s3files.hpp>
#include <string>

namespace cli {

// Thread-safe: events come from the library's threads.
class Progress {
 public:
  explicit Progress(bool shown) : shown_(shown) {}
  ~Progress() { Clear(); }

  void Begin(const std::string& name, std::uint64_t total);
  void Add(std::uint64_t bytes);
  void OnEvent(const s3files::event& event);  // of a commit under way
  void End();                                 // leaves the bar there, with a line of its own
  void Clear();                               // takes the bar away, for another line

 private:
  using Clock = std::chrono::steady_clock;
  void Draw(bool last);

  const bool shown_;
  std::mutex mu_;
  bool drawn_ = false;
  std::string name_;
  std::string phase_;
  std::uint64_t done_ = 0, total_ = 0;
  Clock::time_point begin_, drawn_at_;
};

}  // namespace cli

#endif  // S3FILES_EXAMPLES_CLI_PROGRESS_H_
