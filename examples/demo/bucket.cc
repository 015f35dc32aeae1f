#include "examples/demo/bucket.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

namespace demo {
namespace {

constexpr char kAccessKey[] = "demo";
constexpr char kSecretKey[] = "demo-secret";

std::string Env(const char* name, const std::string& otherwise = "") {
  const char* value = getenv(name);
  return value && *value ? value : otherwise;
}

std::string Region() { return Env("AWS_REGION", Env("AWS_DEFAULT_REGION", "us-east-1")); }

std::string FindServer() {
  const auto beside = std::filesystem::path(OwnProgram()).parent_path() / "s3files-server";
  const std::string program = Env("S3FILES_SERVER", beside.string());
  if (access(program.c_str(), X_OK) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            program +
                                ": build it (./dev build s3files-server), name it in "
                                "S3FILES_SERVER, or give an s3:// URL");
  }
  return program;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const unsigned char c : text) {
    if (kPlain.find(static_cast<char>(c)) != std::string_view::npos) {
      encoded += static_cast<char>(c);
    } else {
      encoded += {'%', kHex[c >> 4], kHex[c & 15]};
    }
  }
  return encoded;
}

// A name that no other run has.
std::string FreshName() {
  const std::time_t now = std::time(nullptr);
  struct tm utc = {};
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
  return "s3files-demo-" + std::string(stamp) + "-" + std::to_string(getpid());
}

// "https://HOST[/BUCKET]/": where the objects of `bucket` are.
std::string BucketAddress(const std::string& bucket) {
  const std::string endpoint = Env("AWS_ENDPOINT_URL_S3", Env("AWS_ENDPOINT_URL"));
  if (!endpoint.empty()) return endpoint + (endpoint.back() == '/' ? "" : "/") + bucket + "/";
  const std::string aws = "s3." + Region() + ".amazonaws.com/";
  const bool fits_certificate = bucket.find('.') == std::string::npos;
  return fits_certificate ? "https://" + bucket + "." + aws : "https://" + aws + bucket + "/";
}

}  // namespace

s3files::file_system OpenFileSystem(const std::string& url, s3files::event_handler on_event) {
  s3files::options options;
  const std::string provider = Env("S3FILES_PROVIDER");
  if (!provider.empty()) options["provider"] = provider;
  return s3files::file_system(url, options, std::move(on_event));
}

Bucket::Bucket(const std::string& url) : url_(url) {
  if (url_.empty()) StartServer();
  if (url_.back() != '/') url_ += '/';
  url_ += FreshName();
}

Bucket::~Bucket() {
  server_.reset();
  std::error_code ignored;  // a temporary directory: what stays is the system's to clean
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

void Bucket::StartServer() {
  const std::string program = FindServer();
  std::string directory = Env("TMPDIR", "/tmp") + "/s3files-demo-XXXXXX";
  if (!mkdtemp(directory.data())) {
    throw std::system_error(errno, std::generic_category(), directory);
  }
  directory_ = directory;
  server_ = std::make_unique<Process>(std::vector<std::string>{
      program, "--listen", "127.0.0.1:0", "--store", directory_, "--access-key", kAccessKey,
      "--secret-key", kSecretKey, "--bucket", "demo"});
  const std::string greeting = server_->ReadLine();
  const size_t address = greeting.find("http://");
  if (address == std::string::npos) throw std::runtime_error(program + " did not start");
  setenv("AWS_ENDPOINT_URL_S3", greeting.substr(address).c_str(), 1);
  setenv("AWS_ACCESS_KEY_ID", kAccessKey, 1);
  setenv("AWS_SECRET_ACCESS_KEY", kSecretKey, 1);
  setenv("AWS_REGION", "us-east-1", 1);
  unsetenv("AWS_SESSION_TOKEN");
  setenv("S3FILES_PROVIDER", "aws", 1);  // it answers as AWS does
  setenv("no_proxy", "127.0.0.1", 1);
  url_ = "s3://demo";
}

std::string Bucket::Describe() const {
  const std::string endpoint = Env("AWS_ENDPOINT_URL_S3", Env("AWS_ENDPOINT_URL"));
  if (server_) return url_ + " on s3files-server at " + endpoint + ", over " + directory_;
  return url_ + (endpoint.empty() ? " on AWS, " + Region() : " on " + endpoint);
}

s3files::file_system Bucket::Open(s3files::event_handler on_event) const {
  return OpenFileSystem(url_, std::move(on_event));
}

std::string Bucket::GetWithCurl(const std::string& path) const {
  constexpr std::string_view kScheme = "s3://";
  const size_t slash = url_.find('/', kScheme.size());
  const std::string bucket = url_.substr(kScheme.size(), slash - kScheme.size());
  const std::string key = url_.substr(slash + 1) + "/" + path;
  // By standard input: a command line is everybody's to read.
  std::string config =
      "user = \"" + Env("AWS_ACCESS_KEY_ID") + ":" + Env("AWS_SECRET_ACCESS_KEY") + "\"\n";
  config +=
      "header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"\n";  // S3 wants it; curl leaves it out
  const std::string token = Env("AWS_SESSION_TOKEN");
  if (!token.empty()) config += "header = \"x-amz-security-token: " + token + "\"\n";
  return Run({"curl", "--silent", "--show-error", "--fail", "--config", "-", "--aws-sigv4",
              "aws:amz:" + Region() + ":s3", BucketAddress(bucket) + PercentEncode(key)},
             config);
}

}  // namespace demo
