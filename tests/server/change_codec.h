#ifndef S3FILES_TESTS_SERVER_CHANGE_CODEC_H_
#define S3FILES_TESTS_SERVER_CHANGE_CODEC_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/server/change.h"

namespace s3files::server {

// A change as bytes for a journal on this machine. Keys and metadata are arbitrary bytes, so the
// format is binary: fixed-width integers in host order, strings with their length before them.
std::string EncodeChange(const Change& change);

// nullopt if `bytes` is not what EncodeChange wrote. `find_storage` turns an id into its storage.
std::optional<Change> DecodeChange(
    std::string_view bytes,
    const std::function<std::shared_ptr<const Storage>(uint64_t id)>& find_storage);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_CHANGE_CODEC_H_
