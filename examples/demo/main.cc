// s3files-demo [DIR] [s3://BUCKET/PREFIX]: files over a bucket, end to end.

#include <signal.h>

#include <exception>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "examples/demo/bucket.h"
#include "examples/demo/claims.h"
#include "examples/demo/story.h"
#include "examples/demo/text.h"
#include "examples/demo/tree.h"
#include "examples/demo/work.h"

namespace demo {
namespace {

constexpr char kDefaultDirectory[] = "/usr/include";
constexpr size_t kDefaultFiles = 2000;

constexpr char kUsage[] =
    R"(usage: s3files-demo [DIR] [s3://BUCKET/PREFIX]

Copies the files of DIR into a bucket and shows what s3files does with them. Every line that begins
with "ok" is checked; the exit status is 1 where one is false.

  DIR                 by default the first 2,000 files of /usr/include; a DIR is copied whole
  s3://BUCKET/PREFIX  works in a fresh prefix below and removes it again. AWS_ACCESS_KEY_ID,
                      AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL say
                      how to reach it; S3FILES_PROVIDER, what it is where it is not AWS (ceph-rgw,
                      swift, generic). By default on an s3files-server, started over a temporary
                      directory; S3FILES_SERVER names the program
)";

struct UsageError : std::runtime_error {
  using runtime_error::runtime_error;
};

struct Arguments {
  std::string directory;
  std::string url;
};

void CheckUrl(const std::string& url) {
  const std::string scheme = "s3://";
  if (url.compare(0, scheme.size(), scheme) != 0 || url.size() == scheme.size() ||
      url[scheme.size()] == '/') {
    throw UsageError(url + ": not an address of the form s3://BUCKET or s3://BUCKET/PREFIX");
  }
}

Arguments Parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (const std::string& word : words) {
    const bool is_url = word.find("://") != std::string::npos;
    if (!is_url && word.compare(0, 1, "-") == 0) throw UsageError(word + ": no such option");
    std::string& target = is_url ? arguments.url : arguments.directory;
    if (word.empty()) throw UsageError("an argument is empty");
    if (!target.empty()) throw UsageError(word + ": there is one already, " + target);
    target = word;
  }
  if (!arguments.url.empty()) CheckUrl(arguments.url);
  if (!arguments.directory.empty() && !std::filesystem::is_directory(arguments.directory)) {
    throw UsageError(arguments.directory + ": no such directory");
  }
  return arguments;
}

Tree ChooseTree(const std::string& directory) {
  Tree tree = directory.empty() ? ScanTree(kDefaultDirectory, kDefaultFiles)
                                : ScanTree(directory, std::numeric_limits<size_t>::max());
  if (tree.files.empty()) {
    throw UsageError(tree.root.string() + ": no files in it; name a DIR that has some");
  }
  return tree;
}

// What the story runs in a process of its own.
int ReadOrWrite(const std::string& verb, const std::string& url, const std::string& path) {
  const s3files::file_system fs = OpenFileSystem(url);
  if (verb == kReadVerb) {
    std::cout << ReadAll(fs, path) << std::flush;
    return std::cout ? 0 : 1;
  }
  s3files::ofstream file(fs, path);
  file << std::string(std::istreambuf_iterator<char>(std::cin), {});
  file.close();
  return 0;
}

void TellStory(const Tree& tree, const Bucket& bucket, Claims& claims) {
  Story story(tree, bucket, claims);  // where this throws, nothing is in the bucket yet
  try {
    story.Tell();
  } catch (const std::exception& failure) {
    claims.Check(false, failure.what());
  }
  claims.Section("Remove everything");
  claims.Check(EmptyBucket(bucket), "nothing is left below " + bucket.url());
}

int Demo(const Arguments& arguments) {
  const Tree tree = ChooseTree(arguments.directory);
  StopOnSignals();
  const Bucket bucket(arguments.url);
  std::cout << "files    " << Count(tree.files.size(), "file") << " of " << tree.root.string();
  if (arguments.directory.empty()) std::cout << ", the first; name a DIR to copy it whole";
  if (tree.skipped > 0) std::cout << " (left out: " << tree.skipped << " links or unreadable)";
  std::cout << "\nbucket   " << bucket.Describe() << std::endl;
  Claims claims;
  TellStory(tree, bucket, claims);
  std::cout << "\nclaims: " << claims.held() << " true, " << claims.failed() << " false\n";
  return claims.failed() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) {
  using namespace demo;
  signal(SIGPIPE, SIG_IGN);  // a program that we write to may have failed: its status says so
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() == 3 && (words[0] == kReadVerb || words[0] == kWriteVerb)) {
      return ReadOrWrite(words[0], words[1], words[2]);
    }
    if (words.size() == 1 && (words[0] == "-h" || words[0] == "--help")) {
      std::cout << kUsage;
      return 0;
    }
    return Demo(Parse(words));
  } catch (const UsageError& failure) {
    std::cerr << "s3files-demo: " << failure.what() << "\n\n" << kUsage;
    return 2;
  } catch (const std::exception& failure) {
    std::cerr << "s3files-demo: " << failure.what() << "\n";
    return 1;
  }
}
