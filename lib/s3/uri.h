// Percent-encoding as S3 wants it, for URLs and for signing alike: one encoding, no normalisation.
#ifndef S3FILES_LIB_S3_URI_H_
#define S3FILES_LIB_S3_URI_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace s3files {

// Encodes every byte but A-Z a-z 0-9 - . _ ~. A key keeps its slashes, dot segments too.
std::string EncodeUri(absl::string_view text);
std::string EncodeKey(absl::string_view key);
void AppendEncoded(absl::string_view text, bool keep_slashes, std::string& out);

// Undoes it; '+' is a space, as in lists with encoding-type=url. nullopt where a '%' is not
// followed by two hex digits.
std::optional<std::string> DecodeUri(absl::string_view text);

// Names and values not encoded.
using QueryParameters = std::vector<std::pair<std::string, std::string>>;

// "a=1&b=" with names in byte order: what is signed, and what is sent.
std::string EncodeQuery(QueryParameters parameters);

}  // namespace s3files

#endif  // S3FILES_LIB_S3_URI_H_
