#include "tests/server/flags.h"

#include <charconv>
#include <functional>
#include <map>
#include <stdexcept>

namespace s3files::server {

const char kHelp[] =
    R"(usage: s3files-server [FLAG]...

An S3 server on loopback, for tests. Prints "listening on http://ADDRESS:PORT" when ready and
stops on SIGTERM or SIGINT.

  --listen ADDRESS:PORT     where (127.0.0.1:0); port 0 takes a free one
  --store memory|DIR        where objects are kept (memory); DIR survives restarts
  --access-key KEY          the one key that is accepted (s3files)
  --secret-key SECRET       its secret (s3files-secret)
  --region REGION           (us-east-1)
  --bucket NAME             create this bucket; repeat for more
  --domain DOMAIN           BUCKET.DOMAIN as Host is virtual-host addressing; repeat for more
                            (besides s3.localhost and localhost)
  --threads N               that serve connections (2)
  --log FILE                append a line per request
  --faults FILE             JSON list of faults to begin with
  --latency-ms N            of every request (0)
  --bandwidth BYTES         a second, of all connections together (no limit)
  --clock-offset SECONDS    the server's clock minus the machine's (0)
  --etag md5|fast           fast: unique ETags without hashing, for benchmarks (md5)
  --min-part-size BYTES     of multipart uploads (5242880)
  --max-put-size BYTES      of PutObject and UploadPart (5368709120)
  --max-copy-size BYTES     of CopyObject and UploadPartCopy (5368709120)
  --behaviour NAME=HOW      HOW: honoured, ignored or refused (501). NAME: put-if-none-match,
                            put-if-match, delete-if-match, complete-conditions,
                            copy-source-conditions, copy-target-conditions, upload-part-copy,
                            list-v2, versioning
  --delete-objects-needs-md5
  --help
)";

namespace {

template <typename T>
T Number(const std::string& flag, const std::string& text) {
  T number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    throw std::runtime_error(flag + ": \"" + text + "\" is not a number");
  }
  return number;
}

void SetBehaviour(const std::string& text, Behaviour& behaviour) {
  static const std::map<std::string, Support Behaviour::*> kNames = {
      {"put-if-none-match", &Behaviour::put_if_none_match},
      {"put-if-match", &Behaviour::put_if_match},
      {"delete-if-match", &Behaviour::delete_if_match},
      {"complete-conditions", &Behaviour::complete_conditions},
      {"copy-source-conditions", &Behaviour::copy_source_conditions},
      {"copy-target-conditions", &Behaviour::copy_target_conditions},
      {"upload-part-copy", &Behaviour::upload_part_copy},
      {"list-v2", &Behaviour::list_v2},
      {"versioning", &Behaviour::versioning},
  };
  static const std::map<std::string, Support> kSupport = {
      {"honoured", Support::kHonoured},
      {"ignored", Support::kIgnored},
      {"refused", Support::kRefused},
  };
  size_t equals = std::min(text.find('='), text.size());
  auto name = kNames.find(text.substr(0, equals));
  auto support = kSupport.find(text.substr(std::min(equals + 1, text.size())));
  if (name == kNames.end() || support == kSupport.end()) {
    throw std::runtime_error("--behaviour: \"" + text + "\" is not NAME=HOW");
  }
  behaviour.*(name->second) = support->second;
}

void SetEtag(const std::string& text, Behaviour& behaviour) {
  if (text != "md5" && text != "fast") {
    throw std::runtime_error("--etag: \"" + text + "\" is neither md5 nor fast");
  }
  behaviour.fast_etag = text == "fast";
}

}  // namespace

Flags ParseFlags(const std::vector<std::string>& arguments) {
  Flags flags;
  ServerOptions& options = flags.options;
  Behaviour& behaviour = options.behaviour;
  using Set = std::function<void(const std::string& flag, const std::string& value)>;
  auto text = [](std::string& into) -> Set {
    return [&into](const std::string&, const std::string& value) { into = value; };
  };
  auto append = [](std::vector<std::string>& into) -> Set {
    return [&into](const std::string&, const std::string& value) { into.push_back(value); };
  };
  auto number = [](auto& into) -> Set {
    return [&into](const std::string& flag, const std::string& value) {
      into = Number<std::remove_reference_t<decltype(into)>>(flag, value);
    };
  };
  const std::map<std::string, Set> with_value = {
      {"--listen", text(options.listen)},
      {"--store", text(options.store)},
      {"--access-key", text(options.access_key)},
      {"--secret-key", text(options.secret_key)},
      {"--region", text(options.region)},
      {"--bucket", append(options.buckets)},
      {"--domain", append(options.domains)},
      {"--threads", number(options.threads)},
      {"--log", text(options.log_file)},
      {"--faults", text(flags.faults_file)},
      {"--latency-ms", number(flags.latency_ms)},
      {"--bandwidth", number(flags.bandwidth)},
      {"--clock-offset", number(options.clock_offset_s)},
      {"--min-part-size", number(behaviour.min_part_size)},
      {"--max-put-size", number(behaviour.max_put_size)},
      {"--max-copy-size", number(behaviour.max_copy_size)},
      {"--behaviour", [&](const auto&, const auto& value) { SetBehaviour(value, behaviour); }},
      {"--etag", [&](const auto&, const auto& value) { SetEtag(value, behaviour); }},
  };
  const std::map<std::string, bool*> without_value = {
      {"--help", &flags.help},
      {"--delete-objects-needs-md5", &behaviour.delete_objects_needs_md5},
  };
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& flag = arguments[i];
    if (auto found = without_value.find(flag); found != without_value.end()) {
      *found->second = true;
    } else if (auto setter = with_value.find(flag); setter != with_value.end()) {
      if (i + 1 == arguments.size()) throw std::runtime_error(flag + " needs a value");
      setter->second(flag, arguments[++i]);
    } else {
      throw std::runtime_error("unknown flag " + flag);
    }
  }
  return flags;
}

}  // namespace s3files::server
