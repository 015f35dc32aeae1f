#include "examples/cli/text.h"

#include <s3files/s3files.h>

#include <cstdio>
#include <ctime>

namespace cli {
namespace {

// The length of the UTF-8 sequence at the start of `text`; 0: there is none.
std::size_t SequenceAt(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool beyond = (first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90);
  return overlong || beyond ? 0 : size;
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  char escape[8];
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text[0]);
    const std::size_t size = SequenceAt(text);
    if (size == 0) {
      std::snprintf(escape, sizeof escape, "\\udc%02x", c);
      out += escape;
    } else if (c == '"' || c == '\\') {
      out += {'\\', text[0]};
    } else if (c < 0x20 || c == 0x7f) {
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out.append(text.substr(0, size));
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out + '"';
}

}  // namespace

std::string Bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  const char* units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double number = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; number >= 1023.95 && unit < 4; ++unit) number /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", number, units[unit]);
  return text;
}

std::string Time(std::int64_t ns) {
  const std::int64_t second = 1'000'000'000;
  const auto seconds = static_cast<std::time_t>(ns / second - (ns % second < 0 ? 1 : 0));
  std::tm utc = {};
  char text[64] = "?";
  if (gmtime_r(&seconds, &utc)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
  return text;
}

std::string Age(std::uint64_t ns) {
  const std::uint64_t seconds = ns / 1'000'000'000;
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 7200) return std::to_string(seconds / 60) + " min";
  if (seconds < 172800) return std::to_string(seconds / 3600) + " h";
  return std::to_string(seconds / 86400) + " d";
}

const char* TypeName(std::uint32_t type) {
  return type == S3F_TYPE_DIRECTORY ? "directory" : type == S3F_TYPE_SYMLINK ? "symlink" : "file";
}

std::string Mode(std::uint32_t type, std::uint32_t mode) {
  std::string text = type == S3F_TYPE_DIRECTORY ? "d" : type == S3F_TYPE_SYMLINK ? "l" : "-";
  for (int bit = 8; bit >= 0; --bit) text += (mode >> bit & 1) != 0 ? "xwr"[bit % 3] : '-';
  const char marks[] = "tss";
  for (int i = 0; i < 3; ++i) {
    char& x = text[static_cast<std::size_t>(9 - 3 * i)];
    if ((mode >> (9 + i) & 1) != 0) x = static_cast<char>(x == 'x' ? marks[i] : marks[i] - 32);
  }
  return text;
}

std::string Shown(std::string_view name, bool terminal) {
  std::string text(name);
  if (!terminal) return text;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

void Json::Name(const char* name) {
  text_ += text_.empty() ? "{" : ",";
  text_ += Quoted(name) + ":";
}

Json& Json::Text(const char* name, std::string_view value) { return Raw(name, Quoted(value)); }
Json& Json::Number(const char* name, std::int64_t value) {
  return Raw(name, std::to_string(value));
}
Json& Json::Number(const char* name, std::uint64_t value) {
  return Raw(name, std::to_string(value));
}
Json& Json::Flag(const char* name, bool value) { return Raw(name, value ? "true" : "false"); }
Json& Json::Raw(const char* name, const std::string& json) {
  Name(name);
  text_ += json;
  return *this;
}

}  // namespace cli
