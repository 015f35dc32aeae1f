// Certificates made while a test runs: none is kept that could expire.
#ifndef S3FILES_TESTS_PROOFS_CERTIFICATES_H_
#define S3FILES_TESTS_PROOFS_CERTIFICATES_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace s3files::proofs {

struct Certificate {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> x509;

  std::string Pem() const;  // without the key
};

struct CertificateOptions {
  std::string names = "DNS:localhost,IP:127.0.0.1";  // as OpenSSL writes subjectAltName
  int from_days = -1;                                // valid from then, counted from now
  int to_days = 1;                                   // and until then
};

Certificate MakeAuthority(const std::string& name = "s3files test authority");
Certificate Issue(const Certificate& authority, const CertificateOptions& options = {});
Certificate SelfSigned();

}  // namespace s3files::proofs

#endif  // S3FILES_TESTS_PROOFS_CERTIFICATES_H_
