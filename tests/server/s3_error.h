#ifndef S3FILES_TESTS_SERVER_S3_ERROR_H_
#define S3FILES_TESTS_SERVER_S3_ERROR_H_

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace s3files::server {

// The failure of one request. It is thrown where it is found and becomes an XML reply in one
// place, Service; nothing else catches it. Code names, statuses and texts are those of AWS.
class S3Error : public std::runtime_error {
 public:
  // Status and message come from the table of known codes (500 for one that is not there).
  explicit S3Error(std::string code);
  S3Error(std::string code, const std::string& message);
  S3Error(std::string code, int status, const std::string& message);

  // Adds an element to the XML reply.
  S3Error&& With(std::string element, std::string text) &&;

  const std::string& code() const { return code_; }
  int status() const { return status_; }
  const std::vector<std::pair<std::string, std::string>>& elements() const { return elements_; }

 private:
  std::string code_;
  int status_;
  std::vector<std::pair<std::string, std::string>> elements_;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_S3_ERROR_H_
