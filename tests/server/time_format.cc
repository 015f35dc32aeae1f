#include "tests/server/time_format.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace s3files::server {
namespace {

constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

tm Utc(int64_t ms) {
  time_t seconds = static_cast<time_t>(ms / 1000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  return utc;
}

template <typename... Args>
std::string Format(const char* format, Args... args) {
  char buffer[80];
  int size = std::snprintf(buffer, sizeof(buffer), format, args...);
  return std::string(buffer, size);
}

}  // namespace

int64_t NowMs() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             system_clock::now().time_since_epoch())
      .count();
}

std::string FormatHttpDate(int64_t ms) {
  tm t = Utc(ms);
  return Format("%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[t.tm_wday], t.tm_mday,
                kMonths[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

std::string FormatIso8601(int64_t ms) {
  tm t = Utc(ms);
  return Format("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                t.tm_hour, t.tm_min, t.tm_sec, static_cast<int>(ms % 1000));
}

std::string FormatBasicDate(int64_t ms) {
  tm t = Utc(ms);
  return Format("%04d%02d%02dT%02d%02d%02dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                t.tm_min, t.tm_sec);
}

std::optional<int64_t> ParseHttpDate(const std::string& text) {
  tm t{};
  char month[4];
  if (std::sscanf(text.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &t.tm_mday, month, &t.tm_year,
                  &t.tm_hour, &t.tm_min, &t.tm_sec) != 6) {
    return std::nullopt;
  }
  for (t.tm_mon = 0; t.tm_mon < 12; ++t.tm_mon) {
    if (std::strcmp(kMonths[t.tm_mon], month) == 0) break;
  }
  if (t.tm_mon == 12) return std::nullopt;
  t.tm_year -= 1900;
  return static_cast<int64_t>(timegm(&t)) * 1000;
}

std::optional<int64_t> ParseBasicDate(const std::string& text) {
  tm t{};
  char end = 0;
  if (text.size() != 16 ||
      std::sscanf(text.c_str(), "%4d%2d%2dT%2d%2d%2d%c", &t.tm_year, &t.tm_mon, &t.tm_mday,
                  &t.tm_hour, &t.tm_min, &t.tm_sec, &end) != 7 ||
      end != 'Z') {
    return std::nullopt;
  }
  t.tm_year -= 1900;
  t.tm_mon -= 1;
  return static_cast<int64_t>(timegm(&t)) * 1000;
}

}  // namespace s3files::server
