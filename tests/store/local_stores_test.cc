// The conformance suite over the stores that need no network.
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lib/store/file_store.h"
#include "lib/store/memory_store.h"
#include "tests/store/store_conformance.h"

namespace s3files {
namespace {

constexpr uint64_t kSmallPart = 4096;

StoreCase Memory(const std::string& name, void (*change)(Capabilities&)) {
  Capabilities can;
  can.smallest_part = kSmallPart;
  change(can);
  return {name, [can] { return std::make_shared<MemoryStore>(can); }};
}

std::vector<StoreCase> MemoryStores() {
  return {
      {"Default", [] { return std::make_shared<MemoryStore>(); }},
      Memory("NoConditionalCreate", [](Capabilities& can) { can.conditional_create = false; }),
      Memory("NoConditionalReplace", [](Capabilities& can) { can.conditional_replace = false; }),
      Memory("NoConditionalComplete", [](Capabilities& can) { can.conditional_complete = false; }),
      Memory("NoConditionalDelete", [](Capabilities& can) { can.conditional_delete = false; }),
      Memory("NoCopySource", [](Capabilities& can) { can.copy_source = false; }),
      Memory("NoCopyTarget", [](Capabilities& can) { can.copy_target = false; }),
      Memory("NoPartCopy", [](Capabilities& can) { can.part_copy = false; }),
      Memory("NoStrongEtags", [](Capabilities& can) { can.strong_etags = false; }),
      Memory("Versions", [](Capabilities& can) { can.versions = true; }),
      Memory("EqualParts", [](Capabilities& can) { can.equal_parts = true; }),
      Memory("Nothing",
             [](Capabilities& can) {
               can.conditional_create = can.conditional_replace = can.conditional_complete = false;
               can.conditional_delete = can.copy_source = can.copy_target = false;
               can.part_copy = can.strong_etags = false;
             }),
  };
}

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance, testing::ValuesIn(MemoryStores()),
                         StoreCaseName);

// Owns a store and the directory it lives in.
class TemporaryFileStore {
 public:
  explicit TemporaryFileStore(bool fsync) {
    std::string name = std::filesystem::temp_directory_path().string() + "/s3files-store-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    FileStore::Options options;
    options.fsync = fsync;
    options.smallest_part = kSmallPart;
    auto store = FileStore::Open(directory_, options);
    EXPECT_TRUE(store.ok()) << store.status();
    if (store.ok()) store_ = *store;
  }
  ~TemporaryFileStore() {
    store_ = nullptr;
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  ObjectStore* store() { return store_.get(); }

 private:
  std::string directory_;
  std::shared_ptr<FileStore> store_;
};

StoreCase File(const std::string& name, bool fsync) {
  return {name, [fsync]() -> std::shared_ptr<ObjectStore> {
            auto owner = std::make_shared<TemporaryFileStore>(fsync);
            return std::shared_ptr<ObjectStore>(owner, owner->store());
          }};
}

INSTANTIATE_TEST_SUITE_P(File, StoreConformance,
                         testing::Values(File("Synced", true), File("NotSynced", false)),
                         StoreCaseName);

}  // namespace
}  // namespace s3files
