// Files of this host.
#ifndef S3FILES_EXAMPLES_CLI_LOCAL_TREE_H_
#define S3FILES_EXAMPLES_CLI_LOCAL_TREE_H_

#include <memory>

#include "examples/cli/tree.h"

namespace cli {

std::unique_ptr<Tree> LocalTree();

// A new file that appears under its name when it is published.
std::unique_ptr<Writer> CreateLocal(const std::string& path, std::uint32_t mode);

}  // namespace cli

#endif  // S3FILES_EXAMPLES_CLI_LOCAL_TREE_H_
