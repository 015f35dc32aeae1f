#include "tests/proofs/s3_fixture.h"

#include <iterator>
#include <random>
#include <utility>

namespace s3files::proofs {
namespace {

// How often `element` begins in the reply to a GET of the bucket with `query`.
size_t CountElements(const server::Server& server, const std::string& query,
                     const std::string& element) {
  const server::TestReply reply = server::Send(server, {.target = "/bucket?" + query});
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.Xml("IsTruncated"), "false");
  const std::string tag = "<" + element + ">";
  size_t count = 0;
  for (size_t at = 0; (at = reply.body.find(tag, at)) != std::string::npos; ++at) ++count;
  return count;
}

}  // namespace

options OptionsFor(const server::Server& server, options more) {
  more.insert({{"endpoint", server.endpoint()},
               {"access_key", server.options().access_key},
               {"secret_key", server.options().secret_key},
               {"provider", "aws"}});
  return more;
}

std::unique_ptr<server::Server> StartServer(const std::string& store,
                                            const server::Behaviour& behaviour) {
  std::string error;
  auto server = server::Server::Start(
      {.store = store, .buckets = {"bucket"}, .behaviour = behaviour}, &error);
  EXPECT_NE(server, nullptr) << error;
  return server;
}

std::string Pattern(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes;
  bytes.reserve(size + sizeof(uint64_t));
  while (bytes.size() < size) {
    const uint64_t word = random();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  bytes.resize(size);
  return bytes;
}

std::string ReadAll(const file_system& fs, const std::string& path) {
  ifstream file(fs, path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void WriteAll(const file_system& fs, const std::string& path, const std::string& bytes) {
  file out = fs.open(path, open_flags::write | open_flags::create | open_flags::truncate);
  out.pwrite(bytes.data(), bytes.size(), 0);
  out.close();
}

std::vector<server::LogEntry> OnS3::Requests(const std::string& operation) const {
  std::vector<server::LogEntry> requests;
  for (server::LogEntry& entry : server_->Log()) {
    if (entry.operation == operation) requests.push_back(std::move(entry));
  }
  return requests;
}

void OnS3::ExpectRefused(const std::string& url, const options& how, int code,
                         const std::vector<std::string>& words, std::chrono::seconds within) {
  const auto start = std::chrono::steady_clock::now();
  try {
    file_system(url, how);
    ADD_FAILURE() << url << " opened";
  } catch (const error& failure) {
    EXPECT_EQ(failure.code().value(), code) << failure.what();
    const std::string message = failure.message();
    for (const std::string& word : words) {
      EXPECT_NE(message.find(word), std::string::npos) << "no '" << word << "' in: " << message;
    }
    for (const std::string name : {"secret_key", "session_token"}) {
      const auto secret = how.find(name);
      if (secret == how.end()) continue;
      EXPECT_EQ(message.find(secret->second), std::string::npos) << name << " in: " << message;
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, within);
}

server::Behaviour OnS3::OnlyPuts(server::Support otherwise) {
  server::Behaviour out;
  out.complete_conditions = out.delete_if_match = otherwise;
  out.copy_source_conditions = out.copy_target_conditions = otherwise;
  return out;
}

size_t OnS3::CountObjects() const { return CountElements(*server_, "list-type=2", "Contents"); }

size_t OnS3::CountPendingUploads() const { return CountElements(*server_, "uploads", "Upload"); }

void OnS3::KeepVersions() {
  const server::TestReply reply = server::Send(
      *server_,
      {.method = "PUT",
       .target = "/bucket?versioning",
       .body = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
               "<Status>Enabled</Status></VersioningConfiguration>"});
  ASSERT_EQ(reply.status, 200) << reply.body;
}

size_t OnS3::CountVersions() const { return CountElements(*server_, "versions", "Version"); }

size_t OnS3::CountDeleteMarkers() const {
  return CountElements(*server_, "versions", "DeleteMarker");
}

}  // namespace s3files::proofs
