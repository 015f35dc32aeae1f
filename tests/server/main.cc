#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/server/flags.h"
#include "tests/server/json.h"
#include "tests/server/server.h"

namespace {

using s3files::server::Flags;
using s3files::server::Server;

std::vector<s3files::server::Fault> ReadFaults(const std::string& file) {
  if (file.empty()) return {};
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + file);
  std::string json(std::istreambuf_iterator<char>(stream), {});
  try {
    return s3files::server::FaultsFromJson(json);
  } catch (const std::exception& error) {
    throw std::runtime_error(file + ": " + error.what());
  }
}

int Fail(int status, const std::string& message) {
  std::fprintf(stderr, "s3files-server: %s\n", message.c_str());
  return status;
}

// The signals that end the server, blocked here so that main can wait for them; the server's
// threads inherit the mask.
sigset_t BlockEndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  std::vector<s3files::server::Fault> faults;
  try {
    flags = s3files::server::ParseFlags({argv + 1, argv + argc});
    faults = ReadFaults(flags.faults_file);
  } catch (const std::exception& error) {
    return Fail(2, std::string(error.what()) + " (see --help)");
  }
  if (flags.help) {
    std::fputs(s3files::server::kHelp, stdout);
    return 0;
  }
  sigset_t signals = BlockEndSignals();
  std::string error;
  std::unique_ptr<Server> server = Server::Start(flags.options, &error);
  if (server == nullptr) return Fail(1, error);
  for (auto& fault : faults) server->AddFault(std::move(fault));
  server->SetLink(flags.latency_ms, flags.bandwidth);

  std::printf("listening on %s\n", server->endpoint().c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  server->Stop();
  return 0;
}
