#include "examples/cli/commands.h"

namespace cli {
namespace {

// clang-format off
constexpr char kList[] =
R"(Lists directories, in byte order of the names.
  -l   mode, owner, size and time, which costs a request an entry that is not known
  -R   what is below, too)";
constexpr char kCopy[] =
R"(Copies files between this host and a bucket, or in a bucket, where the store copies. A file
appears whole, when all of it is there: an interrupted cp publishes nothing. Modes are kept,
owners and times are not. "-" is stdin as the one SOURCE, and stdout as TARGET (a file of that name
is ./-); of an input that breaks off by an error nothing is published.
  -r   directories with all that is in them; symlinks as they are)";
constexpr char kMove[] =
R"(Renames a file or directory within one root; into TARGET where that is a directory.
  -n   not where TARGET exists)";
constexpr char kRemove[] =
R"(Removes files and symlinks.
  -r             directories with all that is in them
  --everything   all of a bucket, too)";
constexpr char kMakeDirectory[] =
R"(Makes directories.
  -p   those above, too; one that exists is no error)";
constexpr char kStatus[] =
R"(Lists what a state directory has staged of URL: state, bytes, age, and how the last commit of
it went. Needs --state-dir. Attempts, errors and ages are of this run: a state directory does not
keep them.)";
constexpr char kCommit[] =
R"(Commits what is staged for a file, or for all below a directory, and tells the version that the
store has then. Needs --state-dir.
  --dry-run   tells what it would send, and sends nothing)";
constexpr char kRecover[] =
R"(Reads a state directory without its store, also where it is damaged, and changes nothing in it.
No file system may have it open.
  --list     all that is staged, and files of staged bytes that nothing names (strangers)
  --verify   what is damaged or missing; exits with 1 where anything is
  --export   writes it to DIR, a new or empty one: files under their paths, strangers under
             .s3files-strangers; .s3files-manifest.jsonl tells of each which bytes are there. The
             others are zeros, and lie in the store, in the version of "etag". Exits with 1 where
             anything is damaged or missing)";
// clang-format on

}  // namespace

const std::vector<Command>& Commands() {
  static const std::vector<Command> commands = {
      {"ls", "ls [-l] [-R] URL...", kList, {"-l", "-R"}, 1, SIZE_MAX, true, RunList},
      {"stat",
       "stat URL...",
       "Shows attributes and version; a symlink's own.",
       {},
       1,
       SIZE_MAX,
       true,
       RunStat},
      {"cat", "cat URL...", "Writes files to stdout.", {}, 1, SIZE_MAX, true, RunCat},
      {"cp", "cp [-r] SOURCE... TARGET", kCopy, {"-r"}, 2, SIZE_MAX, false, RunCopy},
      {"mv", "mv [-n] SOURCE TARGET", kMove, {"-n"}, 2, 2, false, RunMove},
      {"rm",
       "rm [-r [--everything]] URL...",
       kRemove,
       {"-r", "--everything"},
       1,
       SIZE_MAX,
       false,
       RunRemove},
      {"mkdir", "mkdir [-p] URL...", kMakeDirectory, {"-p"}, 1, SIZE_MAX, false, RunMakeDirectory},
      {"status", "status URL", kStatus, {}, 1, 1, true, RunStatus},
      {"commit", "commit [--dry-run] URL", kCommit, {"--dry-run"}, 1, 1, true, RunCommit},
      {"discard",
       "discard URL...",
       "Drops what is staged for files: they are again as last committed. Needs --state-dir.",
       {},
       1,
       SIZE_MAX,
       true,
       RunDiscard},
      {"recover",
       "recover --list|--verify STATE_DIR | --export DIR STATE_DIR",
       kRecover,
       {"--list", "--verify", "--export"},
       1,
       2,
       true,
       RunRecover},
  };
  return commands;
}

}  // namespace cli
