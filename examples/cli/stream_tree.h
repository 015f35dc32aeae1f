// stdin and stdout as the one file of a tree: "-" of cp.
#ifndef S3FILES_EXAMPLES_CLI_STREAM_TREE_H_
#define S3FILES_EXAMPLES_CLI_STREAM_TREE_H_

#include <memory>

#include "examples/cli/tree.h"

namespace cli {

std::unique_ptr<Tree> StreamTree(Session& session);

}  // namespace cli

#endif  // S3FILES_EXAMPLES_CLI_STREAM_TREE_H_
