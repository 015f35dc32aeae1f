// What tests of the C++17 header share. It is all they include of the library, as an application would.
#ifndef S3FILES_TESTS_API_HPP_FIXTURE_H_
#define S3FILES_TESTS_API_HPP_FIXTURE_H_

#include "s3files/s3files.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <system_error>

namespace s3files {

inline constexpr open_flags kNew = open_flags::write | open_flags::create;

// Two file systems over a place in memory that is empty at the start of each test.
class HppFixture : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    ofstream out(fs_, path);
    out << text;
    out.close();
  }

  static std::string Read(const file_system& fs, const std::string& path) {
    ifstream in(fs, path);
    std::ostringstream text;
    if (in.peek() != std::char_traits<char>::eof()) text << in.rdbuf();
    return text.str();
  }

  const std::string url_ =
      std::string("memory://") +
      testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() + "-" +
      testing::UnitTest::GetInstance()->current_test_info()->name();
  file_system fs_{url_};
  file_system other_{url_};
  std::error_code code_;
};

}  // namespace s3files

#endif  // S3FILES_TESTS_API_HPP_FIXTURE_H_
