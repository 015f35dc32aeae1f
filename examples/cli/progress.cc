#include "examples/cli/progress.h"

#include <algorithm>
#include <cstdio>

#include "examples/cli/text.h"

namespace cli {
namespace {

constexpr auto kPeriod = std::chrono::milliseconds(100);

}  // namespace

void Progress::Begin(const std::string& name, std::uint64_t total) {
  if (!shown_) return;
  const std::lock_guard<std::mutex> lock(mu_);
  name_ = Shown(name, true);
  phase_.clear();
  done_ = 0;
  total_ = total;
  begin_ = Clock::now();
  drawn_at_ = {};
  Draw(false);
}

void Progress::Add(std::uint64_t bytes) {
  if (!shown_) return;
  const std::lock_guard<std::mutex> lock(mu_);
  done_ += bytes;
  Draw(false);
}

void Progress::OnEvent(const s3files::event& event) {
  if (!shown_ || event.kind != s3files::event_kind::progress) return;
  const std::lock_guard<std::mutex> lock(mu_);
  if (name_.empty() || done_ < total_) return;  // it is still being written, and counted there
  phase_ = ", committed " + Bytes(event.bytes) + " of " + Bytes(event.total);
  Draw(false);
}

void Progress::End() {
  if (!shown_) return;
  const std::lock_guard<std::mutex> lock(mu_);
  phase_.clear();
  Draw(true);
  std::fputc('\n', stderr);
  drawn_ = false;
  name_.clear();
}

void Progress::Clear() {
  const std::lock_guard<std::mutex> lock(mu_);
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void Progress::Draw(bool last) {
  const auto now = Clock::now();
  if (!last && now - drawn_at_ < kPeriod) return;
  drawn_at_ = now;
  drawn_ = true;
  const double seconds = std::max(std::chrono::duration<double>(now - begin_).count(), 1e-3);
  const double part = total_ == 0 ? 1 : std::min(1.0, double(done_) / double(total_));
  std::string bar(20, ' ');
  std::fill_n(bar.begin(), static_cast<std::size_t>(part * 20), '#');
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(done_) / seconds);
  std::fprintf(stderr, "\r\033[K%s [%s] %3d%% %s, %s/s%s", name_.c_str(), bar.c_str(),
               static_cast<int>(part * 100), Bytes(done_).c_str(), Bytes(rate).c_str(),
               phase_.c_str());
  std::fflush(stderr);
}

}  // namespace cli
