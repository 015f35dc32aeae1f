#include "examples/demo/text.h"

#include <algorithm>
#include <cstdio>

namespace demo {
namespace {

std::string OneDecimal(double number, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof text, "%.1f %s", number, unit);
  return text;
}

}  // namespace

std::string Count(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t digits = 3; digits < text.size(); digits += 4) text.insert(text.size() - digits, ",");
  return text;
}

std::string Count(uint64_t number, const std::string& thing, const std::string& things) {
  const std::string many = things.empty() ? thing + "s" : things;
  return Count(number) + " " + (number == 1 ? thing : many);
}

std::string Bytes(uint64_t bytes) {
  return bytes < 100'000 ? Count(bytes, "byte")
                         : OneDecimal(static_cast<double>(bytes) / 1e6, "MB");
}

std::string Rate(uint64_t bytes, double seconds) {
  return OneDecimal(static_cast<double>(bytes) / 1e6 / std::max(seconds, 1e-6), "MB/s");
}

std::string Seconds(double seconds) { return OneDecimal(seconds, "s"); }

}  // namespace demo
