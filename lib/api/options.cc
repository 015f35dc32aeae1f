#include "lib/api/options.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "lib/base/errors.h"
#include "lib/inode/path.h"

namespace s3files {
namespace {

using Text = const std::string&;

absl::Status Bad(absl::string_view name, absl::string_view value, absl::string_view wanted) {
  return Error(EINVAL, absl::StrCat("option ", name, "=", value, ": ", wanted));
}

// A number with an optional suffix of `units`, e.g. "64M". False: not one.
template <typename Units>
bool ParseScaled(absl::string_view text, const Units& units, double* value) {
  double scale = 1;
  for (const auto& [suffix, factor] : units) {
    if (absl::ConsumeSuffix(&text, suffix)) {
      scale = factor;
      break;
    }
  }
  double number;
  if (!absl::SimpleAtod(text, &number) || !(number >= 0) || number > 1e15) return false;
  *value = number * scale;
  return true;
}

absl::Status ParseSize(absl::string_view name, Text value, uint64_t least, uint64_t most,
                       uint64_t* out) {
  static const std::pair<absl::string_view, double> kUnits[] = {
      {"T", 1ull << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}};
  double bytes;
  if (!ParseScaled(value, kUnits, &bytes) || bytes < static_cast<double>(least) ||
      bytes > static_cast<double>(most)) {
    return Bad(name, value,
               absl::StrCat("a size from ", least, " to ", most,
                            " is needed, e.g. 64M (suffixes K, M, G, T)"));
  }
  *out = static_cast<uint64_t>(bytes);
  return absl::OkStatus();
}

absl::Status ParseDuration(absl::string_view name, Text value, int64_t* out_ns) {
  static const std::pair<absl::string_view, double> kUnits[] = {
      {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  double ns;
  const bool bare = !value.empty() && absl::ascii_isdigit(value.back()) && value != "0";
  if (bare || !ParseScaled(value, kUnits, &ns) || ns > 9e18) {
    return Bad(name, value, "a duration is needed, e.g. 500ms, 10s, 5m, 1h");
  }
  *out_ns = static_cast<int64_t>(ns);
  return absl::OkStatus();
}

absl::Status ParseSwitch(absl::string_view name, Text value, bool* out) {
  if (value != "on" && value != "off") return Bad(name, value, "on or off is needed");
  *out = value == "on";
  return absl::OkStatus();
}

template <typename Int>
absl::Status ParseInt(absl::string_view name, Text value, Int least, Int most, Int* out) {
  Int number;
  if (!absl::SimpleAtoi(value, &number) || number < least || number > most) {
    return Bad(name, value, absl::StrCat("a number from ", least, " to ", most, " is needed"));
  }
  *out = number;
  return absl::OkStatus();
}

absl::Status ParseMode(absl::string_view name, Text value, uint32_t* out) {
  char* end = nullptr;
  const unsigned long mode = strtoul(value.c_str(), &end, 8);
  if (value.empty() || *end != '\0' || mode > 07777) {
    return Bad(name, value, "permission bits in octal are needed, e.g. 0644");
  }
  *out = static_cast<uint32_t>(mode);
  return absl::OkStatus();
}

absl::Status ParseAddressing(absl::string_view name, Text value, Addressing* out) {
  if (value == "auto") {
    *out = Addressing::kAuto;
  } else if (value == "path") {
    *out = Addressing::kPath;
  } else if (value == "virtual") {
    *out = Addressing::kVirtualHost;
  } else {
    return Bad(name, value, "auto, path or virtual is needed");
  }
  return absl::OkStatus();
}

// A uid or gid. The largest number means "none" to the kernel, and to chown "as it was".
absl::Status ParseId(absl::string_view name, Text value, uint32_t* out) {
  return ParseInt<uint32_t>(name, value, 0, UINT32_MAX - 1, out);
}

// "1,2,3"
absl::Status ParseIds(absl::string_view name, Text value, std::vector<uint32_t>* out) {
  for (absl::string_view part : absl::StrSplit(value, ',', absl::SkipEmpty())) {
    S3FILES_RETURN_IF_ERROR(ParseId(name, std::string(part), &out->emplace_back()));
  }
  return absl::OkStatus();
}

absl::Status ParseRoot(absl::string_view name, Text value, Options& options) {
  absl::string_view path = value;
  absl::ConsumePrefix(&path, "/");
  absl::StatusOr<std::string> prefix = NormalizePrefix(path);
  if (!prefix.ok()) return Annotate(prefix.status(), absl::StrCat("option ", name));
  options.root_directory = *std::move(prefix);
  return absl::OkStatus();
}

Identity& Forced(Options& options) {
  if (!options.fs.forced_identity) options.fs.forced_identity.emplace();
  return *options.fs.forced_identity;
}

Attributes& Root(Options& options) {
  if (!options.fs.root_attributes) {
    Attributes root;
    root.type = FileType::kDirectory;
    root.mode = 0755;
    options.fs.root_attributes = root;
  }
  return *options.fs.root_attributes;
}

struct Rule {
  absl::string_view name;
  bool any_scheme;
  Scheme scheme;  // the only one, unless any_scheme
  std::function<absl::Status(absl::string_view, Text, Options&)> set;
};

template <typename T>
auto Into(T get) {  // a plain string option
  return [get](absl::string_view, Text value, Options& o) {
    get(o) = value;
    return absl::OkStatus();
  };
}

constexpr uint64_t kM = 1 << 20;
constexpr uint64_t kG = 1 << 30;

const std::vector<Rule>& Rules() {
  const auto any = [](absl::string_view name, auto set) {
    return Rule{name, true, Scheme::kS3, set};
  };
  const auto s3 = [](absl::string_view name, auto set) {
    return Rule{name, false, Scheme::kS3, set};
  };
  using N = absl::string_view;
  using O = Options&;
  static const std::vector<Rule>& rules = *new std::vector<Rule>{
      any("read_only", [](N n, Text v, O o) { return ParseSwitch(n, v, &o.fs.read_only); }),
      any("memory",
          [](N n, Text v, O o) { return ParseSize(n, v, 4 * kM, 1024 * kG, &o.fs.memory); }),
      any("entry_limit",
          [](N n, Text v, O o) {
            return ParseInt<size_t>(n, v, 100, 1'000'000'000, &o.fs.entry_limit);
          }),
      any("spill_dir",
          [](N, Text v, O o) {
            o.fs.spill_dir = v == "off" ? "" : v;
            return absl::OkStatus();
          }),
      any("state_dir",
          [](N, Text v, O o) {
            o.state_dir = std::string(v);
            return absl::OkStatus();
          }),
      any("commit_delay",
          [](N n, Text v, O o) {
            if (v != "never") return ParseDuration(n, v, &o.fs.commit.delay_ns);
            o.fs.commit.delay_ns = kNever;
            return absl::OkStatus();
          }),
      any("commit_open",
          [](N n, Text v, O o) { return ParseSwitch(n, v, &o.fs.commit.open_files); }),
      any("commit_max_age",
          [](N n, Text v, O o) { return ParseDuration(n, v, &o.fs.commit.max_age_ns); }),
      any("conflict",
          [](N n, Text v, O o) {
            if (v != "store" && v != "mine") return Bad(n, v, "store or mine is needed");
            o.on_conflict = v == "mine" ? ConflictDecision::kMine : ConflictDecision::kStore;
            return absl::OkStatus();
          }),
      any("staged_limit",
          [](N n, Text v, O o) { return ParseSize(n, v, 0, kG << 20, &o.fs.commit.staged_limit); }),
      any("attribute_timeout",
          [](N n, Text v, O o) { return ParseDuration(n, v, &o.fs.import.attribute_timeout_ns); }),
      any("attributes",
          [](N n, Text v, O o) {
            if (v != "full" && v != "listed") return Bad(n, v, "full or listed is needed");
            o.fs.import.listed_only = v == "listed";
            return absl::OkStatus();
          }),
      any("read_ahead", [](N n, Text v, O o) { return ParseSize(n, v, 0, kG, &o.fs.read_ahead); }),
      any("part_size",
          [](N n, Text v, O o) { return ParseSize(n, v, 5 * kM, 5 * kG, &o.fs.parts.part_size); }),
      any("multipart_threshold",
          [](N n, Text v, O o) {
            return ParseSize(n, v, 5 * kM, 5 * kG, &o.fs.parts.multipart_threshold);
          }),
      any("parallel", [](N n, Text v, O o) { return ParseInt(n, v, 1, 256, &o.fs.parallel); }),
      any("strict", [](N n, Text v, O o) { return ParseSwitch(n, v, &o.fs.strict); }),
      any("timeout", [](N n, Text v, O o) { return ParseDuration(n, v, &o.timeout_ns); }),
      any("default_uid", [](N n, Text v, O o) { return ParseId(n, v, &o.fs.import.defaults.uid); }),
      any("default_gid", [](N n, Text v, O o) { return ParseId(n, v, &o.fs.import.defaults.gid); }),
      any("default_file_mode",
          [](N n, Text v, O o) { return ParseMode(n, v, &o.fs.import.defaults.file_mode); }),
      any("default_dir_mode",
          [](N n, Text v, O o) { return ParseMode(n, v, &o.fs.import.defaults.dir_mode); }),
      any("root_directory",
          [](N n, Text v, O o) {
            Root(o);
            return ParseRoot(n, v, o);
          }),
      any("root_uid", [](N n, Text v, O o) { return ParseId(n, v, &Root(o).uid); }),
      any("root_gid", [](N n, Text v, O o) { return ParseId(n, v, &Root(o).gid); }),
      any("root_mode", [](N n, Text v, O o) { return ParseMode(n, v, &Root(o).mode); }),
      any("force_uid", [](N n, Text v, O o) { return ParseId(n, v, &Forced(o).uid); }),
      any("force_gid", [](N n, Text v, O o) { return ParseId(n, v, &Forced(o).gid); }),
      any("force_groups", [](N n, Text v, O o) { return ParseIds(n, v, &Forced(o).groups); }),
      Rule{"fsync", false, Scheme::kFile,
           [](N n, Text v, O o) { return ParseSwitch(n, v, &o.file_fsync); }},
      s3("endpoint", Into([](O o) -> std::string& { return o.s3.endpoint; })),
      s3("region", Into([](O o) -> std::string& { return o.s3.region; })),
      s3("access_key", Into([](O o) -> std::string& { return o.s3.credentials.access_key_id; })),
      s3("secret_key",
         Into([](O o) -> std::string& { return o.s3.credentials.secret_access_key; })),
      s3("session_token", Into([](O o) -> std::string& { return o.s3.credentials.session_token; })),
      s3("anonymous", [](N n, Text v, O o) { return ParseSwitch(n, v, &o.s3.anonymous); }),
      s3("addressing", [](N n, Text v, O o) { return ParseAddressing(n, v, &o.s3.addressing); }),
      s3("provider",
         [](N, Text v, O o) {
           o.s3.provider = v == "auto" ? "" : v;
           return absl::OkStatus();
         }),
      s3("ca_file", Into([](O o) -> std::string& { return o.s3.ca_file; })),
      s3("verify_tls", [](N n, Text v, O o) { return ParseSwitch(n, v, &o.s3.verify_tls); }),
      s3("connections",
         [](N n, Text v, O o) { return ParseInt(n, v, 1, 1024, &o.s3.max_connections); }),
  };
  return rules;
}

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

absl::string_view Nearest(absl::string_view name) {
  const auto& rules = Rules();
  return std::min_element(rules.begin(), rules.end(),
                          [&](const Rule& a, const Rule& b) {
                            return EditDistance(name, a.name) < EditDistance(name, b.name);
                          })
      ->name;
}

std::string FirstSet(std::initializer_list<const char*> variables) {
  for (const char* variable : variables) {
    const char* value = getenv(variable);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

}  // namespace

absl::StatusOr<Url> ParseUrl(absl::string_view text) {
  const auto bad = [&](absl::string_view why) {
    return Error(EINVAL, absl::StrCat("URL \"", text, "\": ", why,
                                      "; use s3://BUCKET[/PREFIX], file:///DIR or memory://NAME"));
  };
  Url url;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "s3://")) {
    url.scheme = Scheme::kS3;
    const size_t slash = rest.find('/');
    url.place = std::string(rest.substr(0, slash));
    if (url.place.empty()) return bad("it names no bucket");
    if (slash != absl::string_view::npos) {
      absl::StatusOr<std::string> prefix = NormalizePrefix(rest.substr(slash + 1));
      if (!prefix.ok()) return Annotate(prefix.status(), absl::StrCat("URL \"", text, "\""));
      url.prefix = *std::move(prefix);
    }
  } else if (absl::ConsumePrefix(&rest, "file://")) {
    url.scheme = Scheme::kFile;
    url.place = std::string(rest);
    if (rest.empty() || rest[0] != '/') return bad("the directory must be absolute");
  } else if (absl::ConsumePrefix(&rest, "memory://")) {
    url.scheme = Scheme::kMemory;
    url.place = std::string(rest);
    if (rest.empty() || absl::StrContains(rest, "/")) return bad("the name is not a plain word");
  } else {
    return bad("its scheme is unknown");
  }
  return url;
}

absl::StatusOr<Options> ParseOptions(
    Scheme scheme, const std::vector<std::pair<std::string, std::string>>& given) {
  Options options;
  options.fs.spill_dir = FirstSet({"TMPDIR"});
  if (options.fs.spill_dir.empty()) options.fs.spill_dir = "/tmp";
  for (const auto& [name, value] : given) {
    const auto& rules = Rules();
    const auto rule = std::find_if(rules.begin(), rules.end(),
                                   [&, &wanted = name](const Rule& r) { return r.name == wanted; });
    if (rule == rules.end()) {
      return Error(EINVAL, absl::StrCat("unknown option ", name, "; did you mean ", Nearest(name),
                                        "? s3files.h lists all at s3f_fs_open"));
    }
    if (!rule->any_scheme && rule->scheme != scheme) {
      return Error(EINVAL,
                   absl::StrCat("option ", name, " is for ",
                                rule->scheme == Scheme::kS3 ? "s3://" : "file://", " URLs only"));
    }
    S3FILES_RETURN_IF_ERROR(rule->set(name, value, options));
  }
  if (options.fs.read_only && !options.state_dir.empty()) {
    return Error(
        EINVAL,
        "read_only sends nothing, and what a state_dir has staged is to be sent: leave out "
        "one of them; with commit_delay=never it is shown and stays");
  }
  if (options.fs.commit.delay_ns == kNever && options.state_dir.empty()) {
    return Error(EINVAL, "commit_delay=never needs a state_dir, where what is staged survives");
  }
  if (options.s3.endpoint.empty()) {
    options.s3.endpoint = FirstSet({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
  }
  if (options.s3.region.empty()) options.s3.region = FirstSet({"AWS_REGION", "AWS_DEFAULT_REGION"});
  options.s3.retry.budget = absl::Nanoseconds(options.timeout_ns);
  // A store that says nothing is not waited for any longer (to the second, as curl counts).
  options.s3.stall_timeout = std::min(options.s3.stall_timeout, options.s3.retry.budget);
  options.s3.connect_timeout = std::min(options.s3.connect_timeout, options.s3.retry.budget);
  return options;
}

}  // namespace s3files
