// Where TLS is not what it should be, open says so: soon, in words that name the endpoint and the
// remedy, and before anything secret has left the host.

#include <openssl/conf.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/proofs/tls_fixture.h"

namespace s3files::proofs {
namespace {

using std::chrono::seconds;

class TlsErrors : public OnTls {
 protected:
  // With its first connection, and before the server hears of it.
  void ExpectRefusedAtOnce(const TlsRelay& relay, const options& how, int code,
                           const std::vector<std::string>& words) const {
    ExpectRefused(kUrl, how, code, words, seconds(3));
    EXPECT_EQ(relay.connections(), 1);
    EXPECT_EQ(server_->Log().size(), 0u);
  }
  void ExpectOpensUnverified(const TlsRelay& relay) const {
    const file_system fs(kUrl, At(relay, {{"verify_tls", "off"}}));
    WriteAll(fs, "a", "bytes");
    EXPECT_EQ(ReadAll(fs, "a"), "bytes");
  }
};

TEST_F(TlsErrors, UntrustedAuthority) {
  // One that pretends to be the trusted, and one that does not.
  for (const Certificate& other : {MakeAuthority(), MakeAuthority("nobody we know")}) {
    const TlsRelay relay(Issue(other), server_->port());
    ExpectRefusedAtOnce(relay, At(relay), EPROTO, {"127.0.0.1", "certificate", "ca_file"});
  }
}

TEST_F(TlsErrors, AuthorityThatOnlyCaFileWouldName) {
  const TlsRelay relay(Issue(authority_), server_->port());
  ExpectRefusedAtOnce(relay, At(relay, {{"ca_file", ""}}), EPROTO,
                      {"127.0.0.1", "certificate", "ca_file"});
}

TEST_F(TlsErrors, SelfSignedCertificate) {
  const Certificate own = SelfSigned();
  const TlsRelay relay(own, server_->port());
  ExpectRefusedAtOnce(relay, At(relay), EPROTO, {"127.0.0.1", "self-signed", "ca_file"});
  const file_system fs(kUrl, At(relay, {{"ca_file", WriteFile("own.pem", own.Pem())}}));
}

TEST_F(TlsErrors, ExpiredCertificate) {
  const TlsRelay relay(Issue(authority_, {.from_days = -9, .to_days = -1}), server_->port());
  ExpectRefusedAtOnce(relay, At(relay), EPROTO, {"127.0.0.1", "expired", "renew it", "clock"});
}

TEST_F(TlsErrors, CertificateOfTheFuture) {
  const TlsRelay relay(Issue(authority_, {.from_days = 1, .to_days = 2}), server_->port());
  ExpectRefusedAtOnce(relay, At(relay), EPROTO, {"127.0.0.1", "not yet valid", "clock"});
}

TEST_F(TlsErrors, CertificateOfAnotherHost) {
  const Certificate other = Issue(authority_, {.names = "DNS:s3.example.com,IP:127.0.0.2"});
  const TlsRelay relay(other, server_->port());
  ExpectRefusedAtOnce(relay, At(relay), EPROTO,
                      {"127.0.0.1", "another host", "check the endpoint"});
}

TEST_F(TlsErrors, VerificationCanBeSwitchedOff) {
  const CertificateOptions expired = {.from_days = -9, .to_days = -1};
  const CertificateOptions other = {.names = "DNS:s3.example.com"};
  for (const Certificate& bad : {SelfSigned(), Issue(MakeAuthority()), Issue(authority_, expired),
                                 Issue(authority_, other)}) {
    const TlsRelay relay(bad, server_->port());
    ExpectRefused(kUrl, At(relay, {{"verify_tls", "on"}}), EPROTO, {"certificate"});
    ExpectOpensUnverified(relay);
  }
  ExpectRefused(kUrl, At("https://127.0.0.1:1", {{"verify_tls", "perhaps"}}), EINVAL,
                {"verify_tls", "perhaps"});
}

TEST_F(TlsErrors, CaFileThatIsNone) {
  const TlsRelay relay(Issue(authority_), server_->port());
  const std::string pem = authority_.Pem();
  for (const std::string& file :
       {std::string("/no/such/ca.pem"), testing::TempDir(), WriteFile("empty", ""),
        WriteFile("words", "trust me"), WriteFile("cut", pem.substr(0, pem.size() / 2))}) {
    ExpectRefused(kUrl, At(relay, {{"ca_file", file}}), EINVAL, {"ca_file", file, "PEM"});
  }
  EXPECT_EQ(relay.handshakes(), 0);
}

TEST_F(TlsErrors, HttpsEndpointAtAServerOfPlainHttp) {
  const std::string here = "https://127.0.0.1:" + std::to_string(server_->port());
  ExpectRefused(kUrl, At(here), EPROTO, {"127.0.0.1", "http://"});
  RawServer talkative([](RawServer::Connection& connection, int) {
    char piece[512];
    (void)!recv(connection.fd(), piece, sizeof piece, 0);
    connection.Send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  });
  ExpectRefused(kUrl, At("https://127.0.0.1:" + std::to_string(talkative.port())), EPROTO,
                {"127.0.0.1", "http://"});
}

TEST_F(TlsErrors, HttpEndpointAtAServerOfTls) {
  const TlsRelay silent(Issue(authority_), server_->port());
  ExpectRefused(kUrl, At("http://127.0.0.1:" + std::to_string(silent.port())), ECONNRESET,
                {"127.0.0.1", "https://"});
  RawServer closing([](RawServer::Connection& connection, int) { connection.ReadRequest(); });
  ExpectRefused(kUrl, At(closing.url("")), ECONNRESET, {"127.0.0.1", "https://"});
  const std::string alert("\x15\x03\x01\x00\x02\x02\x46", 7);
  RawServer alerting([&alert](RawServer::Connection& connection, int) {
    connection.ReadRequest();
    connection.Send(alert);
  });
  ExpectRefused(kUrl, At(alerting.url("")), EPROTO, {"127.0.0.1", "https://"});
  // As Go's servers, and nginx, put it.
  RawServer wordy([](RawServer::Connection& connection, int) {
    connection.ReadRequest();
    connection.Send(
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
  });
  ExpectRefused(kUrl, At(wordy.url("")), EIO, {"400", "https://"});
}

TEST_F(TlsErrors, HandshakeThatNeverEnds) {
  TlsRelay relay(Issue(authority_), server_->port());
  relay.StallHandshakes(true);
  ExpectRefused(kUrl, At(relay), EHOSTUNREACH, {"127.0.0.1", "check"});
  ExpectRefused(kUrl, At(relay, {{"timeout", "300ms"}}), ETIMEDOUT, {"bucket"}, seconds(3));
}

TEST_F(TlsErrors, HandshakesThatAreAlwaysCut) {
  TlsRelay relay(Issue(authority_), server_->port());
  relay.CutHandshakes(1000);
  ExpectRefused(kUrl, At(relay), EPROTO, {"127.0.0.1", "TLS"});
  EXPECT_LE(relay.connections(), 2);
}

TEST_F(TlsErrors, RedirectToPlainHttpIsNotFollowed) {
  RawServer plain([](RawServer::Connection& connection, int) { connection.ReadRequest(); });
  for (const int status : {301, 302, 303, 307, 308}) {
    RawServer redirecting([&plain, status](RawServer::Connection& connection, int) {
      connection.ReadRequest();
      connection.Send(absl::StrCat("HTTP/1.1 ", status, " Elsewhere\r\nLocation: ", plain.url(),
                                   "\r\nContent-Length: 0\r\n\r\n"));
    });
    const TlsRelay relay(Issue(authority_), redirecting.port());
    ExpectRefused(kUrl, At(relay), EINVAL,
                  {std::to_string(status), "redirect", "check the endpoint"});
  }
  EXPECT_EQ(plain.connections(), 0);
}

// The system's settings while in scope; OpenSSL's own otherwise.
class SystemAllows {
 public:
  explicit SystemAllows(const std::string& commands) { Load(commands); }
  ~SystemAllows() { Load("CipherString = DEFAULT\n"); }

 private:
  static void Load(const std::string& commands) {
    OPENSSL_init_ssl(0, nullptr);  // the real settings, first
    const std::string text =
        "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n[all]\n" +
        commands;
    BIO* memory = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    CONF* conf = NCONF_new(nullptr);
    long line = 0;
    EXPECT_EQ(NCONF_load_bio(conf, memory, &line), 1) << line;
    EXPECT_EQ(CONF_modules_load(conf, nullptr, 0), 1);
    NCONF_free(conf);
    BIO_free(memory);
  }
};

TEST_F(TlsErrors, TlsOlderThan12IsRefusedWhateverTheSystemAllows) {
  const SystemAllows old("MinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\n");
  TlsRelay relay(Issue(authority_), server_->port());
  relay.BeOld();
  ExpectRefused(kUrl, At(relay), EPROTO, {"127.0.0.1", "TLS 1.2"});
  EXPECT_EQ(relay.handshakes(), 0);
}

TEST_F(TlsErrors, PasswordsInUrlsAreNotRepeated) {
  for (const char* endpoint : {"https://me:hush@127.0.0.1", "me:hush@127.0.0.1",
                               "https://me:hush@127.0.0.1/?x", "ftp://me:hush@127.0.0.1"}) {
    options how = At(endpoint, {{"secret_key", "hush"}});
    ExpectRefused(kUrl, how, EINVAL, {"endpoint", "credentials do not belong"});
  }
  for (const char* proxy : {"htp://me:hush@127.0.0.1:1", "http://me:hush@:x", "http://me:hush@h:x",
                            "http://me:hush@127.0.0.1:1"}) {
    setenv("https_proxy", proxy, 1);
    options how = At("https://no-such-host.invalid", {{"secret_key", "hush"}});
    try {
      file_system(kUrl, how);
      ADD_FAILURE() << "opened by " << proxy;
    } catch (const error& failure) {
      const std::string message = failure.message();
      EXPECT_EQ(message.find("hush"), std::string::npos) << message;
      EXPECT_NE(message.find("no-such-host.invalid"), std::string::npos) << message;
    }
    unsetenv("https_proxy");
  }
}

}  // namespace
}  // namespace s3files::proofs
