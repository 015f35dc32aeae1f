// Text for people and for programs.
#ifndef S3FILES_EXAMPLES_CLI_TEXT_H_
#define S3FILES_EXAMPLES_CLI_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace cli {

std::string Bytes(std::uint64_t bytes);  // "12.3 MiB"
std::string Time(std::int64_t ns);       // since the epoch: "2026-11-23 13:19:45", UTC
std::string Age(std::uint64_t ns);       // "3 min"
std::string Mode(std::uint32_t type, std::uint32_t mode);  // "-rw-r--r--"
const char* TypeName(std::uint32_t type);                  // S3F_TYPE_*: "file", ...

// A name as it is, or, where `terminal`, with '?' for what would move the cursor.
std::string Shown(std::string_view name, bool terminal);

// One JSON object, written member by member.
class Json {
 public:
  // Bytes that are not UTF-8 become U+DC80..U+DCFF, one each, as Python's surrogateescape has them.
  Json& Text(const char* name, std::string_view value);
  Json& Number(const char* name, std::int64_t value);
  Json& Number(const char* name, std::uint64_t value);
  Json& Number(const char* name, std::uint32_t value) { return Number(name, std::uint64_t{value}); }
  Json& Flag(const char* name, bool value);
  Json& Raw(const char* name, const std::string& json);
  std::string str() const { return text_.empty() ? "{}" : text_ + "}"; }

 private:
  void Name(const char* name);
  std::string text_;
};

}  // namespace cli

#endif  // S3FILES_EXAMPLES_CLI_TEXT_H_
