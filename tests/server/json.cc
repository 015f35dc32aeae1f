#include "tests/server/json.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace s3files::server {
namespace {

using Json = nlohmann::json;

// Takes members out of an object, so that what is left was not known.
class Members {
 public:
  Members(Json object, const char* what) : object_(std::move(object)), what_(what) {
    if (!object_.is_object()) throw std::runtime_error(what_ + " is not a JSON object");
  }

  template <typename T>
  Members& Take(const char* name, T& value) {
    auto found = object_.find(name);
    if (found == object_.end()) return *this;
    try {
      found->get_to(value);
    } catch (const Json::exception&) {
      throw std::runtime_error(what_ + ": member \"" + name + "\" has the wrong type");
    }
    object_.erase(found);
    return *this;
  }

  void CheckEmpty() const {
    if (object_.empty()) return;
    throw std::runtime_error(what_ + ": unknown member \"" + object_.begin().key() + "\"");
  }

 private:
  Json object_;
  std::string what_;
};

Json Parse(const std::string& text) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw std::runtime_error(error.what());
  }
}

Fault FaultFromJson(const Json& json) {
  Fault fault;
  Members members(json, "fault");
  members.Take("operation", fault.operation)
      .Take("bucket", fault.bucket)
      .Take("key", fault.key)
      .Take("key_contains", fault.key_contains)
      .Take("skip", fault.skip)
      .Take("count", fault.count)
      .Take("latency_ms", fault.latency_ms)
      .Take("bandwidth", fault.bandwidth)
      .Take("status", fault.status)
      .Take("code", fault.code)
      .Take("message", fault.message)
      .Take("retry_after_s", fault.retry_after_s)
      .Take("error_in_200", fault.error_in_200)
      .Take("take_effect", fault.take_effect)
      .Take("drop_reply", fault.drop_reply)
      .Take("stall", fault.stall)
      .Take("reset_request_at", fault.reset_request_at)
      .Take("reset_reply_at", fault.reset_reply_at)
      .Take("truncate_reply_at", fault.truncate_reply_at)
      .CheckEmpty();
  return fault;
}

// Keys are UTF-8, but a key that was refused for not being so is logged too.
std::string Dump(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::vector<Fault> FaultsFromJson(const std::string& json) {
  Json list = Parse(json);
  if (!list.is_array()) throw std::runtime_error("faults are not a JSON list");
  std::vector<Fault> faults;
  for (const Json& fault : list) faults.push_back(FaultFromJson(fault));
  return faults;
}

LinkSettings LinkFromJson(const std::string& json) {
  LinkSettings link;
  Members members(Parse(json), "link");
  members.Take("latency_ms", link.latency_ms).Take("bandwidth", link.bandwidth).CheckEmpty();
  return link;
}

std::string ToJson(const std::vector<LogEntry>& entries) {
  Json list = Json::array();
  for (const LogEntry& entry : entries) {
    list.push_back({{"operation", entry.operation},
                    {"bucket", entry.bucket},
                    {"key", entry.key},
                    {"code", entry.code},
                    {"status", entry.status},
                    {"bytes_in", entry.bytes_in},
                    {"bytes_out", entry.bytes_out},
                    {"start_us", entry.start_us},
                    {"end_us", entry.end_us},
                    {"connection", entry.connection},
                    {"fault", entry.fault}});
  }
  return Dump(list);
}

std::string ToJson(const Stats& stats) {
  Json object = Json::object();
  for (const auto& [operation, counters] : stats) {
    object[operation] = {{"requests", counters.requests},
                         {"errors", counters.errors},
                         {"bytes_in", counters.bytes_in},
                         {"bytes_out", counters.bytes_out}};
  }
  return Dump(object);
}

}  // namespace s3files::server
