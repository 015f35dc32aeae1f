#include "tests/server/admin.h"

#include <exception>
#include <string>
#include <utility>

#include "tests/server/json.h"

namespace s3files::server {
namespace {

Reply Text(int status, const char* type, std::string text) {
  return {.status = status, .headers = {{"Content-Type", type}}, .text = std::move(text)};
}

}  // namespace

Reply Admin::Handle(const std::string& method, const std::string& target, const std::string& body) {
  std::string request = method + " " + target;
  try {
    if (request == "GET /-/log") return Text(200, "application/json", ToJson(log_.Entries()));
    if (request == "GET /-/stats") return Text(200, "application/json", ToJson(log_.GetStats()));
    if (request == "GET /-/faults") {
      const std::string stalled = std::to_string(faults_.stalled());
      return Text(200, "application/json", "{\"stalled\": " + stalled + "}");
    }
    if (request == "PUT /-/faults") {
      std::vector<Fault> faults = FaultsFromJson(body);
      faults_.Clear();
      for (Fault& fault : faults) faults_.Add(std::move(fault));
    } else if (request == "PUT /-/link") {
      LinkSettings link = LinkFromJson(body);
      link_.Set(link.latency_ms, link.bandwidth);
    } else if (request == "DELETE /-/faults") {
      faults_.Clear();
    } else if (request == "DELETE /-/log") {
      log_.TakeEntries();
    } else {
      return Text(404, "text/plain", "no such request: " + request + "\n");
    }
  } catch (const std::exception& error) {
    return Text(400, "text/plain", std::string(error.what()) + "\n");
  }
  return {.status = 204};
}

}  // namespace s3files::server
