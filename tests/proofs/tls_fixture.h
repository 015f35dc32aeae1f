#ifndef S3FILES_TESTS_PROOFS_TLS_FIXTURE_H_
#define S3FILES_TESTS_PROOFS_TLS_FIXTURE_H_

#include <fstream>
#include <string>

#include "tests/proofs/certificates.h"
#include "tests/proofs/s3_fixture.h"
#include "tests/proofs/tls_relay.h"

namespace s3files::proofs {

// Tests against a server behind TLS, with an authority that only `ca_file` names.
class OnTls : public OnS3 {
 protected:
  OnTls() : ca_file_(WriteFile("ca.pem", authority_.Pem())) {}

  // A file of this test.
  static std::string WriteFile(const std::string& name, const std::string& text) {
    const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string path =
        testing::TempDir() + test->test_suite_name() + "." + test->name() + "." + name;
    std::ofstream(path) << text;
    return path;
  }

  // `more`, with what reaches `endpoint`, and secrets that no message may have.
  options At(const std::string& endpoint, options more = {}) const {
    more.insert({{"endpoint", endpoint},
                 {"ca_file", ca_file_},
                 {"session_token", "a-token-to-tell-nobody"}});
    return OptionsFor(*server_, more);
  }
  options At(const TlsRelay& relay, const options& more = {}) const {
    return At(relay.endpoint(), more);
  }
  file_system OpenAt(const TlsRelay& relay, const options& more = {}) const {
    return {kUrl, At(relay, more)};
  }

  const Certificate authority_ = MakeAuthority();
  const std::string ca_file_;
};

}  // namespace s3files::proofs

#endif  // S3FILES_TESTS_PROOFS_TLS_FIXTURE_H_
