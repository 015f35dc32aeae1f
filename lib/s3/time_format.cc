#include "lib/s3/time_format.h"

#include <time.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "absl/strings/ascii.h"

namespace s3files {
namespace {

std::optional<int64_t> ToNanos(int year, int month, int day, int hour, int minute, int second) {
  if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
      hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
    return std::nullopt;
  }
  tm utc = {};
  utc.tm_year = year - 1900;
  utc.tm_mon = month - 1;
  utc.tm_mday = day;
  utc.tm_hour = hour;
  utc.tm_min = minute;
  utc.tm_sec = second;
  return int64_t{timegm(&utc)} * 1'000'000'000;
}

}  // namespace

std::optional<int64_t> ParseHttpDate(absl::string_view text) {
  static constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  char month[4] = "";
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  const std::string copy(text.substr(0, 64));
  if (std::sscanf(copy.c_str(), "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d", &day, month, &year,
                  &hour, &minute, &second) != 6) {
    return std::nullopt;
  }
  const char* found = std::strstr(kMonths, month);
  if (std::strlen(month) != 3 || found == nullptr || (found - kMonths) % 3 != 0) {
    return std::nullopt;
  }
  return ToNanos(year, static_cast<int>(found - kMonths) / 3 + 1, day, hour, minute, second);
}

std::optional<int64_t> ParseIso8601(absl::string_view text) {
  // "2024-01-31T23:59:59", and then whatever; without sscanf, as listings have one for each entry.
  static constexpr char kShape[] = "0000-00-00T00:00:00";
  if (text.size() < sizeof(kShape) - 1) return std::nullopt;
  for (size_t i = 0; i < sizeof(kShape) - 1; ++i) {
    if (kShape[i] == '0' ? !absl::ascii_isdigit(text[i]) : text[i] != kShape[i])
      return std::nullopt;
  }
  const auto number = [&](size_t at, size_t digits) {
    int value = 0;
    for (const char digit : text.substr(at, digits)) value = 10 * value + (digit - '0');
    return value;
  };
  const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  return ToNanos(year, month, day, hour, minute, second);
}

}  // namespace s3files
