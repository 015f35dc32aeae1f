#ifndef S3FILES_TESTS_SERVER_CONNECTION_H_
#define S3FILES_TESTS_SERVER_CONNECTION_H_

#include <utility>  // Boost 1.74's awaitable.hpp needs it and does not include it

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>

#include "tests/server/access_log.h"
#include "tests/server/admin.h"
#include "tests/server/fault_rules.h"
#include "tests/server/link.h"
#include "tests/server/service.h"

namespace s3files::server {

// What connections share.
struct Shared {
  Service& service;
  Admin& admin;
  FaultRules& faults;
  AccessLog& log;
  Link& link;
};

// Serves requests from `socket` until it closes. Runs on the socket's executor, a strand; carries
// out on `workers` what hashes much.
// Only for server.cc: Asio stays out of other headers, Beast out of all.
boost::asio::awaitable<void> ServeConnection(boost::asio::ip::tcp::socket socket, Shared shared,
                                             boost::asio::thread_pool& workers, uint64_t number);

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_CONNECTION_H_
