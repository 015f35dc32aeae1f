// Two processes, one place: what is closed is seen, whole and in order, and no update is lost.
//
// Each process, in a loop: rewrites a file of its own and announces that; opens the other's, which
// must show what was announced before; and makes a new version of a file that both change from the
// one it read, again where close says ESTALE. Every version carries its writer, its sequence
// number and a checksum.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "tests/proofs/s3_fixture.h"

namespace s3files::proofs {
namespace {

constexpr uint32_t kProcesses = 2;
constexpr char kCounterPath[] = "counter";

uint64_t ClosesWanted() {
  const char* value = std::getenv("S3FILES_PROOF_CLOSES");
  return value ? std::stoull(value) : 10'000;
}

void Require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

// What a version of a file consists of, before bytes that its checksum covers.
struct Header {
  uint64_t checksum = 0;  // of all that follows
  uint64_t writer = 0;
  uint64_t sequence = 0;
  uint64_t size = 0;  // of header and bytes
};

uint64_t ChecksumOf(std::string_view payload) {
  return std::hash<std::string_view>()(payload.substr(sizeof(Header::checksum)));
}

// Of any length: most are small, one in eight has several blocks of 128 KiB.
std::string MakePayload(uint64_t writer, uint64_t sequence) {
  std::mt19937_64 random(writer << 32 | sequence);
  Header header{0, writer, sequence, sizeof(Header)};
  header.size += random() % (random() % 8 == 0 ? 400'000 : 4'000);
  std::string payload(reinterpret_cast<const char*>(&header), sizeof header);
  payload += Pattern(header.size - sizeof header, sequence);
  header.checksum = ChecksumOf(payload);
  std::memcpy(payload.data(), &header, sizeof header);
  return payload;
}

Header Verify(const std::string& payload) {
  Header header;
  Require(payload.size() >= sizeof header,
          "a version of " + std::to_string(payload.size()) + " bytes: none was written so short");
  std::memcpy(&header, payload.data(), sizeof header);
  Require(header.size == payload.size() && header.checksum == ChecksumOf(payload),
          "a mixture: writer " + std::to_string(header.writer) + ", sequence " +
              std::to_string(header.sequence) + ", " + std::to_string(header.size) +
              " bytes in its header, " + std::to_string(payload.size()) + " read");
  return header;
}

// In memory that the processes share.
struct Shared {
  char endpoint[128] = {};  // of the server, if there is one; set before the gate opens
  std::atomic<uint64_t> announced[kProcesses] = {};  // of each one's own file
  std::atomic<uint64_t> counted{0};                  // the counter's last announced sequence
  std::atomic<uint64_t> closes{0};                   // that succeeded
  std::atomic<uint64_t> conflicts{0};
  std::atomic<uint64_t> stale_reads{0};
};

class Worker {
 public:
  Worker(uint32_t self, const std::string& url, const options& how, Shared& shared)
      : self_(self), shared_(shared), fs_(url, how, [this](const event& e) {
          if (e.kind == event_kind::conflict) kept_ = e.detail;
        }) {}

  void Run(uint64_t rounds) {
    for (uint64_t round = 1; round <= rounds; ++round) {
      RewriteOwn(round);
      ReadOther();
      Count();
    }
    fs_.close();
  }

 private:
  static std::string PathOf(uint32_t process) { return "file-" + std::to_string(process); }

  void RewriteOwn(uint64_t sequence) {
    WriteAll(fs_, PathOf(self_), MakePayload(self_, sequence));
    shared_.announced[self_] = sequence;
    ++shared_.closes;
  }

  void ReadOther() {
    const uint32_t other = 1 - self_;
    while (true) {
      const uint64_t floor = shared_.announced[other];
      if (floor == 0) return;  // it may not be there yet
      const file opened = fs_.open(PathOf(other), open_flags::read);
      std::string payload;
      if (!ReadWhole(opened, payload)) continue;
      const Header header = Verify(payload);
      Require(header.writer == other, "a file that another process writes");
      Require(header.sequence >= floor && header.sequence >= seen_,
              "stale: sequence " + std::to_string(header.sequence) + " after " +
                  std::to_string(std::max(floor, seen_)) + " had been closed");
      seen_ = header.sequence;
      return;
    }
  }

  // Makes the version after the one it reads; a close that says ESTALE was too late.
  void Count() {
    while (true) {
      const uint64_t floor = shared_.counted;
      file counter = fs_.open(kCounterPath, open_flags::read | open_flags::write);
      std::string payload;
      if (!ReadWhole(counter, payload)) continue;
      const uint64_t sequence = Verify(payload).sequence;
      Require(sequence >= floor, "stale counter: " + std::to_string(sequence) + " after " +
                                     std::to_string(floor) + " had been closed");
      if (!Replace(std::move(counter), MakePayload(self_, sequence + 1))) continue;
      ++shared_.closes;
      for (uint64_t last = floor; last < sequence + 1;) {
        if (shared_.counted.compare_exchange_weak(last, sequence + 1)) break;
      }
      return;
    }
  }

  // False where the version was replaced meanwhile and is gone: ESTALE.
  bool ReadWhole(const file& opened, std::string& payload) {
    payload.resize(opened.stat(fields::size).size + 1);
    std::error_code code;
    // In two steps, so that a version has time to be replaced between them.
    const size_t half = payload.size() / 2;
    size_t got = opened.pread(payload.data(), half, 0, code);
    if (!code) got += opened.pread(payload.data() + half, payload.size() - half, half, code);
    if (code.value() == ESTALE) {
      ++shared_.stale_reads;
      return false;
    }
    if (code) throw last_error();
    payload.resize(got);
    return true;
  }

  bool Replace(file target, const std::string& payload) {
    std::error_code code;
    target.pwrite(payload.data(), payload.size(), 0, code);
    if (!code) target.truncate(payload.size(), code);
    if (!code) target.close(code);
    if (!code) return true;
    if (code.value() != ESTALE) throw last_error();
    ++shared_.conflicts;
    target = file();  // abandons it, if it was not closed
    if (!kept_.empty()) fs_.unlink(std::exchange(kept_, ""));
    return false;
  }

  const uint32_t self_;
  Shared& shared_;
  std::string kept_;  // of the last conflict, in lost+found
  file_system fs_;
  uint64_t seen_ = 0;
};

// Runs in a child process.
int Work(uint32_t self, int gate, const std::string& url, options how, Shared& shared,
         uint64_t rounds) {
  char c;
  if (read(gate, &c, 1) != 0) return 1;  // ends when the parent opens the gate
  try {
    if (shared.endpoint[0] != '\0') how["endpoint"] = shared.endpoint;
    Worker(self, url, how, shared).Run(rounds);
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "process " << self << ": " << failure.what() << std::endl;
    return 1;
  }
}

// Forks before anything has threads; `start`, which may start a server, returns its endpoint.
void Prove(const std::string& url, options how, const std::function<std::string()>& start) {
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  Shared& shared = *new (memory) Shared();
  const uint64_t rounds = ClosesWanted() / (2 * kProcesses);
  int gate[2];
  ASSERT_EQ(pipe(gate), 0);
  pid_t children[kProcesses];
  for (uint32_t self = 0; self < kProcesses; ++self) {
    children[self] = fork();
    ASSERT_GE(children[self], 0);
    if (children[self] == 0) {
      close(gate[1]);
      _exit(Work(self, gate[0], url, how, shared, rounds));
    }
  }
  start().copy(shared.endpoint, sizeof shared.endpoint - 1);
  if (shared.endpoint[0] != '\0') how["endpoint"] = shared.endpoint;
  WriteAll(file_system(url, how), kCounterPath, MakePayload(0, 0));
  close(gate[1]);
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  close(gate[0]);
  EXPECT_EQ(Verify(ReadAll(file_system(url, how), kCounterPath)).sequence, kProcesses * rounds)
      << "an update of the counter is lost";
  EXPECT_EQ(shared.closes, 2 * kProcesses * rounds);
  EXPECT_GT(shared.conflicts, 0u) << "the processes never met";
  std::cout << shared.closes << " closes, " << shared.conflicts << " conflicts retried, "
            << shared.stale_reads << " reads of a version that was replaced and gone\n";
  munmap(memory, sizeof(Shared));
}

TEST(Consistency, TwoProcessesOnDirectory) {
  std::string directory = testing::TempDir() + "s3files-consistency-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  Prove("file://" + directory, {{"fsync", "off"}}, [] { return std::string(); });
  std::filesystem::remove_all(directory);
}

TEST(Consistency, TwoProcessesOnS3) {
  std::unique_ptr<server::Server> server;
  const server::ServerOptions defaults;
  Prove(kUrl,
        {{"access_key", defaults.access_key},
         {"secret_key", defaults.secret_key},
         {"provider", "aws"}},
        [&] {
          server = StartServer();
          return server->endpoint();
        });
}

}  // namespace
}  // namespace s3files::proofs
