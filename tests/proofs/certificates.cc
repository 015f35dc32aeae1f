#include "tests/proofs/certificates.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <random>

namespace s3files::proofs {
namespace {

// Only memory can fail here.
void Must(bool good) {
  if (!good) abort();
}

void AddExtension(X509* to, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  Must(extension != nullptr && X509_add_ext(to, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// Without an issuer it signs itself.
Certificate Make(const std::string& name, const Certificate* issuer, bool authority,
                 const CertificateOptions& options) {
  Certificate out;
  out.key.reset(EVP_EC_gen("P-256"), EVP_PKEY_free);
  out.x509.reset(X509_new(), X509_free);
  X509* x509 = out.x509.get();
  Must(out.key != nullptr && x509 != nullptr);
  const Certificate& by = issuer == nullptr ? out : *issuer;
  constexpr int kVersion3 = 2;
  X509_set_version(x509, kVersion3);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), std::random_device()() & 0x7fffffff);
  X509_time_adj_ex(X509_getm_notBefore(x509), options.from_days, 0, nullptr);
  X509_time_adj_ex(X509_getm_notAfter(x509), options.to_days, 0, nullptr);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(x509, X509_get_subject_name(by.x509.get()));
  X509_set_pubkey(x509, out.key.get());
  AddExtension(x509, by.x509.get(), NID_subject_key_identifier, "hash");
  if (issuer != nullptr) {
    AddExtension(x509, by.x509.get(), NID_authority_key_identifier, "keyid:always");
  }
  if (authority) {
    AddExtension(x509, by.x509.get(), NID_basic_constraints, "critical,CA:TRUE");
    AddExtension(x509, by.x509.get(), NID_key_usage, "critical,keyCertSign");
  } else {
    AddExtension(x509, by.x509.get(), NID_subject_alt_name, options.names);
  }
  Must(X509_sign(x509, by.key.get(), EVP_sha256()) != 0);
  return out;
}

}  // namespace

std::string Certificate::Pem() const {
  BIO* memory = BIO_new(BIO_s_mem());
  Must(PEM_write_bio_X509(memory, x509.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory, &text);
  std::string out(text, static_cast<size_t>(size));
  BIO_free(memory);
  return out;
}

Certificate MakeAuthority(const std::string& name) { return Make(name, nullptr, true, {}); }

Certificate Issue(const Certificate& authority, const CertificateOptions& options) {
  return Make("server", &authority, false, options);
}

Certificate SelfSigned() { return Make("server", nullptr, false, {}); }

}  // namespace s3files::proofs
