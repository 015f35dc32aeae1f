#ifndef S3FILES_EXAMPLES_DEMO_CLAIMS_H_
#define S3FILES_EXAMPLES_DEMO_CLAIMS_H_

#include <string>

namespace demo {

// What the demo says is so. Every claim is checked as it is printed.
class Claims {
 public:
  // A heading for the claims that follow.
  void Section(const std::string& title);
  void Check(bool holds, const std::string& claim);
  // Lines that are shown and claim nothing.
  void Note(const std::string& text);

  int held() const { return held_; }
  int failed() const { return failed_; }

 private:
  int sections_ = 0;
  int held_ = 0;
  int failed_ = 0;
};

}  // namespace demo

#endif  // S3FILES_EXAMPLES_DEMO_CLAIMS_H_
