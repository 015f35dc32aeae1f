#include "lib/http/curl_transport.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

constexpr long kReceiveBuffer = 512 << 10;
constexpr long kSendBuffer = 512 << 10;
constexpr size_t kMostErrorBody = 64 << 10;

// Never undone: an application may use libcurl too, and after it.
void InitCurlOnce() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// "host" of "scheme://host:port/path"; IPv6 in brackets.
absl::string_view HostOf(absl::string_view url) {
  const size_t begin = url.find("://");
  if (begin == absl::string_view::npos) return {};
  url.remove_prefix(begin + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (absl::StartsWith(url, "[")) return url.substr(0, url.find(']') + 1);
  return url.substr(0, url.find(':'));
}

bool IsLoopback(absl::string_view host) {
  return host == "localhost" || host == "[::1]" || absl::StartsWith(host, "127.");
}

long Milliseconds(absl::Duration duration) {
  return std::max<long>(1, static_cast<long>(absl::ToInt64Milliseconds(duration)));
}

// What to do about a certificate that was refused for the reason that libcurl gave in `words`.
absl::string_view CertificateRemedy(absl::string_view words) {
  if (absl::StrContains(words, "subject name")) {
    return "is that of another host; check the endpoint";
  }
  if (absl::StrContains(words, "expired") || absl::StrContains(words, "not yet valid")) {
    return "is not valid now; renew it, or set this machine's clock";
  }
  return "is not trusted; name its authority with ca_file";
}

int KeepFromChildren(void*, curl_socket_t fd, curlsocktype) {
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  return CURL_SOCKOPT_OK;
}

}  // namespace

// One request under way. Lives on its caller's stack; the io thread owns it from Submit until it
// sets done.
struct CurlTransport::Transfer {
  Transfer(const HttpRequest& request, HttpResponse& response)
      : request(request), response(response) {}

  const HttpRequest& request;
  HttpResponse& response;

  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  uint64_t body_offset = 0;
  bool headers_seen = false;  // on_headers was called for this reply
  absl::Status refusal;       // why a callback ended the transfer
  char curl_message[CURL_ERROR_SIZE] = "";

  std::atomic<bool> abort{false};  // the caller gave up; looked at when its io thread is woken

  absl::Mutex mu;  // leaf
  bool done ABSL_GUARDED_BY(mu) = false;
  absl::Status status ABSL_GUARDED_BY(mu);

  bool success() const { return response.status >= 200 && response.status < 300; }

  size_t OnHeader(absl::string_view line);
  size_t OnBody(const char* data, size_t size);
  size_t OnRead(char* out, size_t size);
  bool HeadersComplete();
  void SetUp(CURL* handle, const CurlTransportOptions& options);
  void SetMethod();
  // `answered`: the endpoint has answered before, and so is what its URL says.
  absl::Status Result(CURLcode code, const CurlTransportOptions& options, bool answered);
  absl::Status Untrusted(CURLcode code, const CurlTransportOptions& options);
  absl::Status Failed(HttpFailure failure, int error, absl::string_view what);
  void Finish(absl::Status result);
};

size_t CurlTransport::Transfer::OnHeader(absl::string_view line) {
  const size_t size = line.size();
  if (absl::StartsWith(line, "HTTP/")) {  // a new reply: after 100 Continue, or a second send
    response.headers.Clear();
    response.error_body.clear();
    response.status = 0;
    headers_seen = false;
    const size_t space = line.find(' ');
    if (space != absl::string_view::npos) {
      (void)absl::SimpleAtoi(line.substr(space + 1, 3), &response.status);
    }
    return size;
  }
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return size;
  if (!response.headers.Add(line.substr(0, colon),
                            absl::StripAsciiWhitespace(line.substr(colon + 1)))) {
    refusal = Error(EIO, "the reply's header is larger than 64 KiB or 256 fields");
    return 0;
  }
  return size;
}

bool CurlTransport::Transfer::HeadersComplete() {
  if (headers_seen) return true;
  headers_seen = true;
  if (request.on_headers && success()) refusal = request.on_headers(response);
  return refusal.ok();
}

size_t CurlTransport::Transfer::OnBody(const char* data, size_t size) {
  if (!HeadersComplete()) return 0;
  if (!success()) {
    const size_t room = kMostErrorBody - std::min(kMostErrorBody, response.error_body.size());
    response.error_body.append(data, std::min(room, size));
    return size;
  }
  if (request.sink != nullptr) {
    refusal = request.sink->Write(response.bytes_in, absl::MakeConstSpan(data, size));
    if (!refusal.ok()) return 0;
  }
  response.bytes_in += size;
  return size;
}

size_t CurlTransport::Transfer::OnRead(char* out, size_t size) {
  const uint64_t left = request.body == nullptr ? 0 : request.body->size() - body_offset;
  const size_t take = static_cast<size_t>(std::min<uint64_t>(size, left));
  if (take == 0) return 0;
  refusal = request.body->Read(body_offset, absl::MakeSpan(out, take));
  if (!refusal.ok()) return CURL_READFUNC_ABORT;
  body_offset += take;
  response.bytes_out += take;
  return take;
}

void CurlTransport::Transfer::SetMethod() {
  const bool upload = request.method == "PUT" || request.method == "POST";
  const bool plain = request.method == "GET" || request.method == "HEAD" || request.method == "PUT";
  if (upload) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    const uint64_t size = request.body == nullptr ? 0 : request.body->size();
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
  } else {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);  // also takes back UPLOAD and NOBODY
    if (request.method == "HEAD") curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, plain ? nullptr : request.method.c_str());
}

void CurlTransport::Transfer::SetUp(CURL* handle, const CurlTransportOptions& options) {
  easy = handle;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_READDATA, this);
  curl_easy_setopt(easy, CURLOPT_SEEKDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, curl_message);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROXY, IsLoopback(HostOf(request.url)) ? "" : nullptr);
  const bool own = request.connect_timeout > absl::ZeroDuration();
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   Milliseconds(own ? request.connect_timeout : options.connect_timeout));
  SetMethod();
  for (const auto& [name, value] : request.headers) {
    // libcurl drops a field without a value, unless it ends in a semicolon.
    const std::string line =
        value.empty() ? absl::StrCat(name, ";") : absl::StrCat(name, ": ", value);
    headers = curl_slist_append(headers, line.c_str());
  }
  headers = curl_slist_append(headers, "Expect:");  // no 100-continue: it costs a round trip
  headers = curl_slist_append(headers, "Accept:");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
}

absl::Status CurlTransport::Transfer::Failed(HttpFailure failure, int error,
                                             absl::string_view what) {
  response.failure = failure;
  absl::string_view detail = curl_message;
  // Of a proxy's URL that it does not understand libcurl repeats all, the password too.
  if (absl::StrContains(detail, "proxy") && absl::StrContains(detail, "@")) {
    detail = "what https_proxy or http_proxy names is no proxy";
  }
  return Error(error, absl::StrCat(what, detail.empty() ? "" : ": ", detail));
}

absl::Status CurlTransport::Transfer::Untrusted(CURLcode code,
                                                const CurlTransportOptions& options) {
  const absl::string_view host = HostOf(request.url);
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    return Failed(
        HttpFailure::kRefused, EPROTO,
        absl::StrCat("the TLS certificate of '", host, "' ", CertificateRemedy(curl_message)));
  }
  if (options.ca_file.empty()) {
    return Failed(HttpFailure::kRefused, EPROTO,
                  absl::StrCat("no TLS connection to '", host,
                               "': the system's certificates cannot be read; install them "
                               "(ca-certificates), or name a file with ca_file"));
  }
  return Failed(HttpFailure::kRefused, EINVAL,
                absl::StrCat("option ca_file=", options.ca_file,
                             ": a readable file of PEM certificates is needed"));
}

absl::Status CurlTransport::Transfer::Result(CURLcode code, const CurlTransportOptions& options,
                                             bool answered) {
  if (!refusal.ok()) {
    response.failure = HttpFailure::kRefused;
    return refusal;
  }
  const HttpFailure lost = response.sends > 0 ? HttpFailure::kBroken : HttpFailure::kNotSent;
  const absl::string_view host = HostOf(request.url);
  const bool https = absl::StartsWith(request.url, "https:");
  constexpr absl::string_view kMaybeHttps = "; is it an https:// endpoint?";
  switch (code) {
    case CURLE_OK:
      if (HeadersComplete()) return absl::OkStatus();  // a reply without a body
      response.failure = HttpFailure::kRefused;
      return refusal;
    case CURLE_COULDNT_RESOLVE_HOST:
      return Failed(lost, EHOSTUNREACH,
                    absl::StrCat("host '", host, "' has no address; check the endpoint"));
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Failed(lost, EHOSTUNREACH,
                    absl::StrCat("the proxy on the way to '", host,
                                 "' has no address; check https_proxy, http_proxy"));
    case CURLE_COULDNT_CONNECT: {
      long os_error = 0;
      curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
      const bool refused = os_error == 0 || os_error == ECONNREFUSED;
      return Failed(lost, refused ? ECONNREFUSED : EHOSTUNREACH,
                    absl::StrCat("cannot connect to '", host,
                                 "'; check the endpoint and that its server runs"));
    }
    case CURLE_OPERATION_TIMEDOUT:
      if (response.sends > 0) return Failed(lost, EIO, absl::StrCat("'", host, "' stalled"));
      return Failed(
          lost, EHOSTUNREACH,
          absl::StrCat("'", host, "' does not answer; check the endpoint and the network"));
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return Untrusted(code, options);
    case CURLE_SSL_CONNECT_ERROR:
      return Failed(lost, EPROTO,
                    absl::StrCat("no TLS connection to '", host,
                                 "'; is it an http:// endpoint, or older than TLS 1.2?"));
    case CURLE_UNSUPPORTED_PROTOCOL:  // of a reply: the scheme is ours
    case CURLE_WEIRD_SERVER_REPLY:
      return Failed(lost, EPROTO,
                    absl::StrCat("'", host, "' does not answer in HTTP", https ? "" : kMaybeHttps));
    case CURLE_URL_MALFORMAT:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_BAD_FUNCTION_ARGUMENT:
      return Failed(HttpFailure::kRefused, code == CURLE_OUT_OF_MEMORY ? ENOMEM : EINVAL,
                    curl_easy_strerror(code));
    default:
      return Failed(lost, ECONNRESET,
                    absl::StrCat("connection to '", host, "' broke (", curl_easy_strerror(code),
                                 ")", https || answered ? "" : kMaybeHttps));
  }
}

void CurlTransport::Transfer::Finish(absl::Status result) {
  curl_slist_free_all(headers);
  headers = nullptr;
  absl::MutexLock lock(&mu);
  status = std::move(result);
  done = true;  // the caller may destroy this as soon as the lock is released
}

// One thread, its multi handle and the connections kept by it.
class CurlTransport::IoThread {
 public:
  IoThread(const CurlTransportOptions& options, int max_active)
      : options_(options), max_active_(static_cast<size_t>(max_active)) {}
  ~IoThread();

  void Submit(Transfer* transfer);
  void Wake();
  // Requests submitted and not finished.
  int load() const { return load_.load(std::memory_order_relaxed); }
  void AddLoad(int n) { load_.fetch_add(n, std::memory_order_relaxed); }

 private:
  void Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WakeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Sleep();  // until a socket is ready or somebody wakes it
  void Run();
  bool Admit();  // false = stopping
  void Begin(Transfer* transfer);
  void DropAborted();
  void ReapFinished();
  void Complete(Transfer* transfer, absl::Status result);
  CURL* TakeHandle();

  const CurlTransportOptions& options_;
  const size_t max_active_;
  std::atomic<int> load_{0};
  CURLM* multi_ = nullptr;  // set before the thread starts; only woken by others

  absl::Mutex mu_;
  std::deque<Transfer*> queue_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;   // since it last looked
  bool asleep_ ABSL_GUARDED_BY(mu_) = false;  // or about to be, and nobody has called it yet
  std::thread thread_ ABSL_GUARDED_BY(mu_);

  // The io thread's own.
  std::deque<Transfer*> waiting_;  // for a connection
  std::vector<Transfer*> active_;
  std::vector<CURL*> idle_;
  bool answered_ = false;  // a reply has come
};

CurlTransport::IoThread::~IoThread() {
  std::thread thread;
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    WakeLocked();
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
  for (CURL* easy : idle_) curl_easy_cleanup(easy);
  if (multi_ != nullptr) curl_multi_cleanup(multi_);
}

void CurlTransport::IoThread::Start() {
  InitCurlOnce();
  multi_ = curl_multi_init();
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(max_active_));
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
  // The application's signal handlers do not run here, and OpenSSL's SIGPIPE does not reach it.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void CurlTransport::IoThread::Submit(Transfer* transfer) {
  absl::MutexLock lock(&mu_);
  if (multi_ == nullptr) Start();
  queue_.push_back(transfer);
  WakeLocked();
}

void CurlTransport::IoThread::Wake() {
  absl::MutexLock lock(&mu_);
  WakeLocked();
}

// A wakeup is two system calls here and two there: only one who sleeps gets one.
void CurlTransport::IoThread::WakeLocked() {
  woken_ = true;
  if (std::exchange(asleep_, false)) curl_multi_wakeup(multi_);
}

void CurlTransport::IoThread::Sleep() {
  {
    absl::MutexLock lock(&mu_);
    asleep_ = !woken_;
    if (!asleep_) return;
  }
  curl_multi_poll(multi_, nullptr, 0, 1000, nullptr);
  absl::MutexLock lock(&mu_);
  asleep_ = false;
}

void CurlTransport::IoThread::Run() {
  while (Admit()) {
    DropAborted();
    int running = 0;
    curl_multi_perform(multi_, &running);
    ReapFinished();
    if (!waiting_.empty() && active_.size() < max_active_) continue;
    Sleep();
  }
}

bool CurlTransport::IoThread::Admit() {
  {
    absl::MutexLock lock(&mu_);
    if (stopping_) return false;
    woken_ = false;
    waiting_.insert(waiting_.end(), queue_.begin(), queue_.end());
    queue_.clear();
  }
  while (!waiting_.empty() && active_.size() < max_active_) {
    Transfer* transfer = waiting_.front();
    waiting_.pop_front();
    Begin(transfer);
  }
  return true;
}

void CurlTransport::IoThread::Begin(Transfer* transfer) {
  transfer->SetUp(TakeHandle(), options_);
  active_.push_back(transfer);
  curl_multi_add_handle(multi_, transfer->easy);
}

void CurlTransport::IoThread::DropAborted() {
  auto given_up = [](const Transfer* t) { return t->abort.load(std::memory_order_acquire); };
  std::vector<Transfer*> dropped;
  std::copy_if(active_.begin(), active_.end(), std::back_inserter(dropped), given_up);
  for (Transfer* transfer : dropped) {
    transfer->response.failure = HttpFailure::kGaveUp;
    Complete(transfer, Error(ECANCELED, "given up"));
  }
  for (size_t i = 0; i < waiting_.size();) {
    if (!given_up(waiting_[i])) {
      ++i;
      continue;
    }
    Transfer* transfer = waiting_[i];
    waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(i));
    transfer->response.failure = HttpFailure::kGaveUp;
    transfer->Finish(Error(ECANCELED, "given up"));
  }
}

void CurlTransport::IoThread::ReapFinished() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    char* data = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &data);
    auto* transfer = reinterpret_cast<Transfer*>(data);
    const CURLcode code = message->data.result;
    answered_ = answered_ || transfer->response.status != 0;
    Complete(transfer, transfer->Result(code, options_, answered_));
  }
}

void CurlTransport::IoThread::Complete(Transfer* transfer, absl::Status result) {
  curl_multi_remove_handle(multi_, transfer->easy);
  curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(transfer->easy, CURLOPT_ERRORBUFFER, nullptr);
  idle_.push_back(transfer->easy);
  active_.erase(std::find(active_.begin(), active_.end(), transfer));
  transfer->Finish(std::move(result));
}

CURL* CurlTransport::IoThread::TakeHandle() {
  if (!idle_.empty()) {
    CURL* easy = idle_.back();
    idle_.pop_back();
    return easy;
  }
  CURL* easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);  // a key may have "." and ".." components
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // giving up does not wait for a name server
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, KeepFromChildren);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kReceiveBuffer);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kSendBuffer);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(
      easy, CURLOPT_LOW_SPEED_TIME,
      std::max<long>(1, static_cast<long>(absl::ToInt64Seconds(options_.stall_timeout))));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options_.verify_tls ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options_.verify_tls ? 2L : 0L);
  // Whatever the system's configuration of TLS allows.
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options_.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);  // Debian's libcurl would trust that, too
  }

  curl_write_callback on_header = [](char* data, size_t size, size_t n, void* transfer) {
    return static_cast<Transfer*>(transfer)->OnHeader(absl::string_view(data, size * n));
  };
  curl_write_callback on_body = [](char* data, size_t size, size_t n, void* transfer) {
    return static_cast<Transfer*>(transfer)->OnBody(data, size * n);
  };
  curl_read_callback on_read = [](char* data, size_t size, size_t n, void* transfer) {
    return static_cast<Transfer*>(transfer)->OnRead(data, size * n);
  };
  curl_seek_callback on_seek = [](void* transfer, curl_off_t offset, int origin) {
    if (origin != SEEK_SET || offset < 0) return static_cast<int>(CURL_SEEKFUNC_FAIL);
    static_cast<Transfer*>(transfer)->body_offset = static_cast<uint64_t>(offset);
    return static_cast<int>(CURL_SEEKFUNC_OK);
  };
  // libcurl sends again by itself where a reused connection turns out dead; writers must know.
  curl_prereq_callback on_send = [](void* transfer, char*, char*, int, int) {
    ++static_cast<Transfer*>(transfer)->response.sends;
    return static_cast<int>(CURL_PREREQFUNC_OK);
  };
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_send);
  return easy;
}

CurlTransport::CurlTransport(const CurlTransportOptions& options)
    : options_(options), pid_(getpid()) {
  const int threads = std::clamp(options_.io_threads, 1, 64);
  const int each = std::max(1, (options_.max_connections + threads - 1) / threads);
  for (int i = 0; i < threads; ++i) threads_.push_back(std::make_unique<IoThread>(options_, each));
}

CurlTransport::~CurlTransport() {
  if (getpid() == pid_) return;
  // A forked child: the threads are not here, and cleaning up libcurl's handles would write to the
  // parent's TLS connections. What cannot be freed without that is left alone.
  for (auto& thread : threads_) (void)thread.release();
}

CurlTransport::IoThread* CurlTransport::LeastLoaded() {
  // Ties go to the first, so that a lone caller always meets its warm connection.
  IoThread* best = threads_.front().get();
  for (const auto& thread : threads_) {
    if (thread->load() < best->load()) best = thread.get();
  }
  return best;
}

absl::Status CurlTransport::Perform(const CallContext& call, const HttpRequest& request,
                                    HttpResponse& response) {
  response = HttpResponse();
  response.failure = HttpFailure::kGaveUp;
  if (getpid() != pid_) return Error(EBUSY, "opened before fork(); open it again in the child");
  const std::string what = absl::StrCat(request.method, " to '", HostOf(request.url), "'");
  S3FILES_RETURN_IF_ERROR(call.Check(what));
  response.failure = HttpFailure::kNone;

  IoThread* io = LeastLoaded();
  io->AddLoad(1);
  Transfer transfer(request, response);
  io->Submit(&transfer);
  uint64_t subscription = 0;
  auto give_up = [&transfer, io] {
    transfer.abort.store(true, std::memory_order_release);
    io->Wake();
  };
  if (call.cancel != nullptr) subscription = call.cancel->Subscribe(give_up);

  absl::Status status;
  {
    absl::MutexLock lock(&transfer.mu);
    const absl::Condition finished(&transfer.done);
    while (!transfer.mu.AwaitWithDeadline(finished, absl::Now() + call.Remaining())) {
      if (call.Remaining() > absl::ZeroDuration()) continue;
      transfer.mu.Unlock();
      give_up();
      transfer.mu.Lock();
      transfer.mu.Await(finished);  // the io thread may be in the caller's buffers until then
      break;
    }
    status = transfer.status;
  }
  if (call.cancel != nullptr) call.cancel->Unsubscribe(subscription);
  io->AddLoad(-1);
  if (response.failure == HttpFailure::kGaveUp) {
    const absl::Status why = call.Check(what);  // deadline or token?
    return why.ok() ? status : why;
  }
  return status;
}

}  // namespace s3files
