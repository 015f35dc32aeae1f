// The commands, each a function of its arguments.
#ifndef S3FILES_EXAMPLES_CLI_COMMANDS_H_
#define S3FILES_EXAMPLES_CLI_COMMANDS_H_

#include <set>
#include <string>
#include <vector>

#include "examples/cli/session.h"

namespace cli {

// What follows the command's name.
struct Arguments {
  std::set<std::string> flags;  // "-l", "--dry-run"
  std::vector<std::string> rest;
  bool Has(const char* flag) const { return flags.count(flag) != 0; }
};

struct Command {
  const char* name;
  const char* usage;
  const char* help;
  std::vector<std::string> flags;
  std::size_t least, most;  // arguments
  bool never;               // opening must not commit what a state directory has
  void (*run)(Session&, const Arguments&);
};

const std::vector<Command>& Commands();

void RunList(Session& session, const Arguments& arguments);  // list.cc
void RunStat(Session& session, const Arguments& arguments);
void RunCat(Session& session, const Arguments& arguments);
void RunCopy(Session& session, const Arguments& arguments);  // copy.cc
void RunMove(Session& session, const Arguments& arguments);  // change.cc
void RunRemove(Session& session, const Arguments& arguments);
void RunMakeDirectory(Session& session, const Arguments& arguments);
void RunStatus(Session& session, const Arguments& arguments);  // staged.cc
void RunCommit(Session& session, const Arguments& arguments);
void RunDiscard(Session& session, const Arguments& arguments);
void RunRecover(Session& session, const Arguments& arguments);  // recover.cc

}  // namespace cli

#endif  // S3FILES_EXAMPLES_CLI_COMMANDS_H_
