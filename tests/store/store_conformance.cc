#include "tests/store/store_conformance.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "lib/base/clock.h"

namespace s3files {
namespace {

using Names = std::vector<std::string>;

TEST_P(StoreConformance, ProbeFindsTheStore) { S3FILES_EXPECT_OK(store_->Probe(call_, prefix_)); }

TEST_P(StoreConformance, WhatWasPutIsThere) {
  const auto stamp = Put("a", "hello");
  ASSERT_TRUE(stamp.ok()) << stamp.status();
  const auto info = store_->Head(call_, Key("a"));
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->size, 5u);
  EXPECT_EQ(Read("a"), "hello");
  EXPECT_GT(info->stamp.last_modified_ns, int64_t{1'600'000'000} * 1'000'000'000);
  if (stamp->last_modified_ns != 0) {
    EXPECT_EQ(stamp->last_modified_ns, info->stamp.last_modified_ns);
  }
  if (can().strong_etags) {
    EXPECT_TRUE(info->stamp.version.known());
    EXPECT_EQ(stamp->version, info->stamp.version);
  } else {
    EXPECT_TRUE(info->stamp.version.unknown());
    EXPECT_TRUE(stamp->version.unknown());
  }
}

TEST_P(StoreConformance, WhatIsNotThereGivesEnoent) {
  EXPECT_EQ(ErrorIn(store_->Head(call_, Key("no"))), ENOENT);
  EXPECT_EQ(Read("no"), "error " + std::to_string(ENOENT));
  ASSERT_TRUE(Put("dir/x", "1").ok());
  EXPECT_EQ(ErrorIn(store_->Head(call_, Key("dir"))), ENOENT);
  EXPECT_EQ(ErrorIn(store_->Head(call_, Key("dir/"))), ENOENT);
  EXPECT_EQ(ErrorIn(store_->Head(call_, Key("dir/x/y"))), ENOENT);
}

TEST_P(StoreConformance, KeysHaveOneTo1024Bytes) {
  const std::string longest = Key(std::string(1024 - prefix_.size(), 'k'));
  PutRequest request;
  request.key = longest;
  MemorySource body("x");
  S3FILES_EXPECT_OK(store_->Put(call_, request, body));
  S3FILES_EXPECT_OK(store_->Head(call_, longest));
  S3FILES_EXPECT_OK(store_->Delete(call_, longest, Precondition::None()));
  for (const std::string& key : {std::string(), longest + "k"}) {
    request.key = key;
    const int error = ErrorIn(store_->Put(call_, request, body));
    EXPECT_TRUE(error == EINVAL || error == ENAMETOOLONG) << error;
  }
}

TEST_P(StoreConformance, ReplacingGivesANewVersion) {
  ASSERT_TRUE(Put("a", "one").ok());
  const Version first = VersionOf("a");
  ASSERT_TRUE(Put("a", "two!").ok());
  EXPECT_EQ(Read("a"), "two!");
  if (!can().strong_etags) return;
  EXPECT_NE(first, VersionOf("a"));
  StringSink sink(100);
  GetRequest request{Key("a"), {}, first, false};
  EXPECT_EQ(ErrorIn(store_->Get(call_, request, sink)), ESTALE);
  request.if_match = VersionOf("a");
  S3FILES_EXPECT_OK(store_->Get(call_, request, sink));
  EXPECT_EQ(sink.bytes(), "two!");
}

TEST_P(StoreConformance, Ranges) {
  ASSERT_TRUE(Put("ten", "0123456789").ok());
  ASSERT_TRUE(Put("empty", "").ok());
  const auto get = [this](absl::string_view name, std::optional<ByteRange> range) -> std::string {
    StringSink sink(100);
    const auto info = store_->Get(call_, {Key(name), range, {}, false}, sink);
    if (!info.ok()) return "error " + std::to_string(ErrorIn(info));
    EXPECT_EQ(info->size, name == "ten" ? 10u : 0u);
    return sink.bytes();
  };
  const std::string erange = "error " + std::to_string(ERANGE);
  EXPECT_EQ(get("ten", ByteRange{0, 10}), "0123456789");
  EXPECT_EQ(get("ten", ByteRange{3, 7}), "3456");
  EXPECT_EQ(get("ten", ByteRange{9, 10}), "9");
  EXPECT_EQ(get("ten", ByteRange{8, 1000}), "89");
  EXPECT_EQ(get("ten", ByteRange{0, uint64_t{1} << 40}), "0123456789");
  EXPECT_EQ(get("ten", ByteRange{10, 11}), erange);
  EXPECT_EQ(get("ten", ByteRange{500, 600}), erange);
  EXPECT_EQ(get("empty", std::nullopt), "");
  EXPECT_EQ(get("empty", ByteRange{0, 1}), erange);
}

TEST_P(StoreConformance, ManyPieces) {
  const std::string bytes = Bytes((size_t{3} << 20) + 17, 1);
  ASSERT_TRUE(Put("big", bytes).ok());
  EXPECT_TRUE(Read("big") == bytes);
  StringSink sink(bytes.size());
  const ByteRange range{1'000'001, 2'500'003};
  S3FILES_EXPECT_OK(store_->Get(call_, {Key("big"), range, {}, false}, sink));
  EXPECT_TRUE(sink.bytes() == bytes.substr(range.begin, range.size()));
}

TEST_P(StoreConformance, CreateOnlyWhereNothingIs) {
  ASSERT_TRUE(Put("a", "first", Create()).ok());
  const int error = ErrorIn(Put("a", "second", Create()));
  EXPECT_EQ(error, can().conditional_create ? EEXIST : 0);
  EXPECT_EQ(Read("a"), can().conditional_create ? "first" : "second");
}

TEST_P(StoreConformance, ReplaceOnlyTheVersionNamed) {
  const bool honoured = can().conditional_replace;
  EXPECT_EQ(ErrorIn(Put("absent", "x", Wrong())), honoured ? ESTALE : 0);
  EXPECT_EQ(Exists("absent"), !honoured);
  ASSERT_TRUE(Put("a", "first").ok());
  EXPECT_EQ(ErrorIn(Put("a", "second", Wrong())), honoured ? ESTALE : 0);
  EXPECT_EQ(Read("a"), honoured ? "first" : "second");
  if (can().strong_etags) {
    S3FILES_EXPECT_OK(Put("a", "third", Precondition::Is(VersionOf("a"))));
    EXPECT_EQ(Read("a"), "third");
  }
}

TEST_P(StoreConformance, UnknownIsNoPrecondition) {
  ASSERT_TRUE(Put("a", "first").ok());
  const Precondition unknown = Precondition::Is(Version::Unknown());
  EXPECT_EQ(ErrorIn(Put("a", "second", unknown)), EINVAL);
  EXPECT_EQ(ErrorIn(store_->Delete(call_, Key("a"), unknown)), EINVAL);
  CopyRequest copy;
  copy.source_key = Key("a");
  copy.key = Key("b");
  copy.precondition = unknown;
  EXPECT_EQ(ErrorIn(store_->Copy(call_, copy)), EINVAL);
  EXPECT_EQ(Read("a"), "first");
}

TEST_P(StoreConformance, Delete) {
  S3FILES_EXPECT_OK(store_->Delete(call_, Key("never"), Precondition::None()));
  S3FILES_EXPECT_OK(store_->Delete(call_, Key("never"), Wrong()));
  ASSERT_TRUE(Put("d/a", "x").ok());
  const bool honoured = can().conditional_delete;
  EXPECT_EQ(ErrorIn(store_->Delete(call_, Key("d/a"), Wrong())), honoured ? ESTALE : 0);
  EXPECT_EQ(Exists("d/a"), honoured);
  ASSERT_TRUE(Put("d/a", "y").ok());
  const Precondition right =
      can().strong_etags ? Precondition::Is(VersionOf("d/a")) : Precondition::None();
  S3FILES_EXPECT_OK(store_->Delete(call_, Key("d/a"), right));
  EXPECT_FALSE(Exists("d/a"));
  ASSERT_TRUE(Put("d/a", "again", Create()).ok());
  EXPECT_EQ(Read("d/a"), "again");
}

TEST_P(StoreConformance, DeleteMany) {
  std::vector<std::string> keys;
  for (int i = 0; i < 20; ++i) {
    keys.push_back(Key("n" + std::to_string(i)));
    if (i % 2 == 0) {
      ASSERT_TRUE(Put("n" + std::to_string(i), "x").ok());
    }
  }
  ASSERT_TRUE(Put("stays", "x").ok());
  const auto results = store_->DeleteMany(call_, keys);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), keys.size());
  for (const absl::Status& status : *results) S3FILES_EXPECT_OK(status);
  EXPECT_EQ(ListAll({}).objects, Names({"stays"}));
  const std::vector<std::string> too_many(1001, Key("x"));
  EXPECT_EQ(ErrorIn(store_->DeleteMany(call_, too_many)), EINVAL);
}

TEST_P(StoreConformance, MetadataComesBack) {
  PutRequest request;
  request.key = Key("m");
  request.metadata.user = {{"file-permissions", "0100644"},
                           {"file-mtime", "1595002920000000000ns"}};
  request.metadata.content_type = "text/x-c++; charset=utf-8";
  request.metadata.content_encoding = "gzip";
  request.metadata.content_language = "de";
  request.metadata.content_disposition = "attachment; filename=\"a b.txt\"";
  request.metadata.cache_control = "max-age=60, private";
  request.metadata.expires = "Wed, 21 Oct 2099 07:28:00 GMT";
  request.metadata.encryption = "aws:kms";
  request.metadata.encryption_key = "arn:aws:kms:us-east-1:111122223333:key/1";
  request.metadata.encryption_bucket_key = "true";
  request.commit_id = "0123456789abcdef";
  MemorySource body("x");
  ASSERT_TRUE(store_->Put(call_, request, body).ok());

  auto expected = request.metadata;
  expected.user[kCommitIdName] = "0123456789abcdef";
  auto info = store_->Head(call_, Key("m"));
  ASSERT_TRUE(info.ok()) << info.status();
  info->metadata.storage_class.clear();  // stores may name their default
  EXPECT_EQ(info->metadata, expected);
  StringSink sink(10);
  auto got = store_->Get(call_, {Key("m"), ByteRange{0, 1}, {}, false}, sink);
  ASSERT_TRUE(got.ok()) << got.status();
  got->metadata.storage_class.clear();
  EXPECT_EQ(got->metadata, expected);

  ASSERT_TRUE(Put("m", "y").ok());  // nothing of the old object's stays
  EXPECT_TRUE(store_->Head(call_, Key("m"))->metadata.user.empty());
  EXPECT_EQ(store_->Head(call_, Key("m"))->metadata.encryption, "");
}

TEST_P(StoreConformance, OneOfManyCreatesWins) {
  if (!can().conditional_create) GTEST_SKIP() << "not honoured";
  for (int round = 0; round < 5; ++round) {
    const std::string name = "race" + std::to_string(round);
    std::atomic<int> won{0}, winner{-1};
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&, i] {
        const int error = ErrorIn(Put(name, "writer " + std::to_string(i), Create()));
        if (error == 0) {
          ++won;
          winner = i;
        } else {
          EXPECT_EQ(error, EEXIST);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(won, 1);
    EXPECT_EQ(Read(name), "writer " + std::to_string(winner));
  }
}

TEST_P(StoreConformance, NoReplaceIsLost) {
  if (!can().conditional_replace || !can().strong_etags) GTEST_SKIP() << "not honoured";
  constexpr int kThreads = 4, kEach = 8;
  ASSERT_TRUE(Put("counter", "0").ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this] {
      for (int done = 0; done < kEach;) {
        StringSink sink(20);
        const auto info = store_->Get(call_, {Key("counter"), {}, {}, false}, sink);
        ASSERT_TRUE(info.ok()) << info.status();
        const std::string next = std::to_string(std::stoi(sink.bytes()) + 1);
        const int error = ErrorIn(Put("counter", next, Precondition::Is(info->stamp.version)));
        ASSERT_TRUE(error == 0 || error == ESTALE) << error;
        if (error == 0) ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Read("counter"), std::to_string(kThreads * kEach));
}

TEST_P(StoreConformance, ReadersSeeOneVersion) {
  constexpr size_t kSize = 300'000;
  ASSERT_TRUE(Put("v", std::string(kSize, 'a')).ok());
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; i < 25; ++i) {
      S3FILES_EXPECT_OK(Put("v", std::string(kSize, static_cast<char>('a' + i))));
    }
    stop = true;
  });
  do {
    const std::string bytes = Read("v");
    EXPECT_EQ(bytes.size(), kSize);
    EXPECT_EQ(bytes.find_first_not_of(bytes[0]), std::string::npos);
  } while (!stop);
  writer.join();
}

TEST_P(StoreConformance, ListsInByteOrder) {
  const Names names = {"a", "a-1", "a/x", "a/y/z", "a0", "b/", "b/c", "\xc3\xa4"};
  for (const std::string& name : names) ASSERT_TRUE(Put(name, name).ok());
  ListRequest flat;
  flat.hierarchical = false;
  EXPECT_EQ(ListAll(flat).objects, names);
  EXPECT_TRUE(ListAll(flat).prefixes.empty());
  const Listing top = ListAll({});
  EXPECT_EQ(top.objects, Names({"a", "a-1", "a0", "\xc3\xa4"}));
  EXPECT_EQ(top.prefixes, Names({"a/", "b/"}));
  ListRequest inside;
  inside.prefix = "a/";
  EXPECT_EQ(ListAll(inside).objects, Names({"a/x"}));
  EXPECT_EQ(ListAll(inside).prefixes, Names({"a/y/"}));
  inside.prefix = "b/";  // the marker is one of its own folder's objects
  EXPECT_EQ(ListAll(inside).objects, Names({"b/", "b/c"}));
  inside.prefix = "a";  // a prefix need not end at a slash
  EXPECT_EQ(ListAll(inside).objects, Names({"a", "a-1", "a0"}));
  EXPECT_EQ(ListAll(inside).prefixes, Names({"a/"}));
  inside.prefix = "zzz/";
  EXPECT_EQ(ListAll(inside), Listing());
}

TEST_P(StoreConformance, ListsWhatHeadSays) {
  ASSERT_TRUE(Put("a", "12345").ok());
  ListRequest request;
  request.prefix = prefix_;
  const auto page = store_->List(call_, request);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].size, 5u);
  if (can().strong_etags) {
    EXPECT_EQ(page->objects[0].stamp.version, VersionOf("a"));
  }
  const auto info = store_->Head(call_, Key("a"));
  constexpr int64_t kSecond = 1'000'000'000;  // HTTP dates have no fractions
  EXPECT_EQ(page->objects[0].stamp.last_modified_ns / kSecond,
            info->stamp.last_modified_ns / kSecond);
  EXPECT_TRUE(page->next_token.empty());
}

TEST_P(StoreConformance, PagesOfAnySizeGiveTheSame) {
  for (int i = 0; i < 5; ++i) {
    for (const char* form : {"k%d", "d%d/a", "d%d/b/c", "d%d-x", "e/%d"}) {
      char name[32];
      snprintf(name, sizeof name, form, i);
      ASSERT_TRUE(Put(name, "x").ok());
    }
  }
  for (const bool hierarchical : {false, true}) {
    ListRequest request;
    request.hierarchical = hierarchical;
    const Listing whole = ListAll(request);
    const size_t count = whole.objects.size() + whole.prefixes.size();
    EXPECT_EQ(count, hierarchical ? 16u : 25u);
    EXPECT_EQ(whole.pages, 1);
    for (const uint32_t size : {1u, 2u, 3u, 7u, static_cast<uint32_t>(count)}) {
      request.max_keys = size;
      const Listing pages = ListAll(request);
      EXPECT_EQ(pages, whole) << size;
      EXPECT_EQ(pages.pages, static_cast<int>((count + size - 1) / size)) << size;
    }
  }
}

TEST_P(StoreConformance, StartAfter) {
  for (const char* name : {"a", "b", "d/1", "d/2", "e"}) ASSERT_TRUE(Put(name, "x").ok());
  const auto after = [this](const std::string& name, bool hierarchical) {
    ListRequest request;
    request.start_after = name;
    request.hierarchical = hierarchical;
    return ListAll(request);
  };
  EXPECT_EQ(after("a", false).objects, Names({"b", "d/1", "d/2", "e"}));
  EXPECT_EQ(after("aa", false).objects, Names({"b", "d/1", "d/2", "e"}));
  EXPECT_EQ(after("d/1", false).objects, Names({"d/2", "e"}));
  EXPECT_EQ(after("e", false).objects, Names());
  EXPECT_EQ(after("b", true).objects, Names({"e"}));
  EXPECT_EQ(after("b", true).prefixes, Names({"d/"}));
  EXPECT_EQ(after("d0", true).prefixes, Names());
  EXPECT_EQ(after("d/2", true).prefixes, Names());
}

TEST_P(StoreConformance, PageSizeIsChecked) {
  ListRequest request;
  request.prefix = prefix_;
  request.max_keys = 0;
  EXPECT_EQ(ErrorIn(store_->List(call_, request)), EINVAL);
  request.max_keys = 1001;
  EXPECT_EQ(ErrorIn(store_->List(call_, request)), EINVAL);
}

TEST_P(StoreConformance, AnyKey) {
  Names names = {"%",
                 "%25",
                 "%2F",
                 "%2e",
                 "%+",
                 "%-",
                 "%00",
                 "100%",
                 "a%",
                 "a%+",
                 "+",
                 "a+b",
                 "a b",
                 " ",
                 "  x ",
                 "a//b",
                 "//",
                 "dir/",
                 "./x",
                 "../x",
                 ".",
                 "..",
                 "...",
                 "x/./y",
                 "x/../y",
                 "x/.",
                 "&<>\"'",
                 "a?b=c&d",
                 "#",
                 "a;b",
                 "a:b",
                 "a=b",
                 "a\\b",
                 "~tilde",
                 "!*'()",
                 "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
                 "line\nbreak\ttab",
                 std::string(80, 'p'),
                 std::string(80, 'p') + "/q",
                 std::string(81, 'p'),
                 std::string(79, 'p'),
                 std::string(300, 'p'),
                 std::string(300, 'p') + "/q",
                 std::string(80, 'p') + "!",
                 std::string(200, '%')};
  for (const std::string& name : names) S3FILES_EXPECT_OK(Put(name, "body of " + name)) << name;
  for (const std::string& name : names) EXPECT_EQ(Read(name), "body of " + name) << name;
  std::sort(names.begin(), names.end());
  ListRequest flat;
  flat.hierarchical = false;
  EXPECT_EQ(ListAll(flat).objects, names);
  flat.max_keys = 2;
  EXPECT_EQ(ListAll(flat).objects, names);
  for (const std::string& name : names) {
    S3FILES_EXPECT_OK(store_->Delete(call_, Key(name), Precondition::None()));
    EXPECT_FALSE(Exists(name)) << name;
  }
  EXPECT_EQ(ListAll(flat), Listing());
}

TEST_P(StoreConformance, CopyKeepsOrReplacesMetadata) {
  PutRequest put;
  put.key = Key("from");
  put.metadata.user = {{"color", "blue"}};
  put.metadata.content_type = "image/png";
  MemorySource body("pixels");
  ASSERT_TRUE(store_->Put(call_, put, body).ok());

  CopyRequest copy;
  copy.source_key = Key("from");
  copy.key = Key("deep/to");
  const auto stamp = store_->Copy(call_, copy);
  ASSERT_TRUE(stamp.ok()) << stamp.status();
  EXPECT_EQ(Read("deep/to"), "pixels");
  auto info = store_->Head(call_, Key("deep/to"));
  EXPECT_EQ(info->metadata.user, put.metadata.user);
  EXPECT_EQ(info->metadata.content_type, "image/png");
  if (can().strong_etags) {
    EXPECT_EQ(stamp->version, info->stamp.version);
  }

  copy.metadata = ObjectMetadata();
  copy.metadata->user = {{"color", "red"}};
  copy.commit_id = "c0ffee";
  copy.key = Key("from");  // onto itself: only the attributes change
  ASSERT_TRUE(store_->Copy(call_, copy).ok());
  info = store_->Head(call_, Key("from"));
  EXPECT_EQ(info->metadata.user["color"], "red");
  EXPECT_EQ(info->metadata.user[kCommitIdName], "c0ffee");
  EXPECT_NE(info->metadata.content_type, "image/png");
  EXPECT_EQ(Read("from"), "pixels");

  copy.source_key = Key("missing");
  EXPECT_EQ(ErrorIn(store_->Copy(call_, copy)), ENOENT);
}

TEST_P(StoreConformance, CopyConditions) {
  ASSERT_TRUE(Put("from", "source").ok());
  ASSERT_TRUE(Put("to", "target").ok());
  CopyRequest copy;
  copy.source_key = Key("from");
  copy.key = Key("to");
  copy.source_version = Wrong().version();
  EXPECT_EQ(ErrorIn(store_->Copy(call_, copy)), can().copy_source ? ESTALE : 0);
  EXPECT_EQ(Read("to"), can().copy_source ? "target" : "source");

  ASSERT_TRUE(Put("to", "target").ok());
  copy.source_version = VersionOf("from");
  copy.precondition = Create();
  EXPECT_EQ(ErrorIn(store_->Copy(call_, copy)), can().copy_target ? EEXIST : 0);
  EXPECT_EQ(Read("to"), can().copy_target ? "target" : "source");

  ASSERT_TRUE(Put("to", "target").ok());
  copy.precondition = Wrong();
  EXPECT_EQ(ErrorIn(store_->Copy(call_, copy)), can().copy_target ? ESTALE : 0);
  copy.precondition = can().strong_etags ? Precondition::Is(VersionOf("to")) : Precondition::None();
  S3FILES_EXPECT_OK(store_->Copy(call_, copy));
  EXPECT_EQ(Read("to"), "source");
}

TEST_P(StoreConformance, OldVersionsById) {
  const auto written = Put("a", "old");  // a store may learn from it that there are versions
  ASSERT_TRUE(written.ok()) << written.status();
  if (can().strong_etags) {
    EXPECT_EQ(written->version.version_id().empty(), !can().versions);
  }
  if (!can().versions) GTEST_SKIP() << "no versions";
  GetRequest request{Key("a"), {}, VersionOf("a"), true};
  ASSERT_FALSE(request.if_match.version_id().empty());
  ASSERT_TRUE(Put("a", "newer").ok());
  StringSink sink(100);
  S3FILES_EXPECT_OK(store_->Get(call_, request, sink));
  EXPECT_EQ(sink.bytes(), "old");
  ASSERT_TRUE(store_->Delete(call_, Key("a"), Precondition::None()).ok());
  sink.bytes().clear();
  S3FILES_EXPECT_OK(store_->Get(call_, request, sink));
  EXPECT_EQ(sink.bytes(), "old");
  EXPECT_EQ(ErrorIn(store_->Head(call_, Key("a"))), ENOENT);
}

TEST_P(StoreConformance, EndedCallsChangeNothing) {
  ASSERT_TRUE(Put("a", "kept").ok());
  const CallContext patient = call_;
  CallContext late = call_;
  late.deadline_ns = MonotonicNanos() - 1;
  CallContext cancelled = call_;
  cancelled.cancel = std::make_shared<CancelToken>();
  cancelled.cancel->Cancel();
  for (const CallContext& call : {late, cancelled}) {
    const int expected = call.cancel != nullptr ? ECANCELED : ETIMEDOUT;
    call_ = call;
    StringSink sink(100);
    const std::vector<std::string> keys = {Key("a")};
    PutRequest put;
    put.key = Key("u");
    CopyRequest copy;
    copy.source_key = Key("a");
    copy.key = Key("b");
    ListRequest list;
    list.prefix = prefix_;
    EXPECT_EQ(ErrorIn(store_->Probe(call_, prefix_)), expected);
    EXPECT_EQ(ErrorIn(store_->Head(call_, Key("a"))), expected);
    EXPECT_EQ(ErrorIn(store_->Get(call_, {Key("a"), {}, {}, false}, sink)), expected);
    EXPECT_EQ(ErrorIn(Put("a", "lost")), expected);
    EXPECT_EQ(ErrorIn(store_->Delete(call_, Key("a"), Precondition::None())), expected);
    EXPECT_EQ(ErrorIn(store_->DeleteMany(call_, keys)), expected);
    EXPECT_EQ(ErrorIn(store_->List(call_, list)), expected);
    EXPECT_EQ(ErrorIn(store_->Copy(call_, copy)), expected);
    EXPECT_EQ(ErrorIn(store_->CreateUpload(call_, put)), expected);
  }
  call_ = patient;
  EXPECT_EQ(Read("a"), "kept");
  EXPECT_FALSE(Exists("b"));
}

class BrokenSource final : public ByteSource {
 public:
  uint64_t size() const override { return 1'000'000; }
  absl::Status Read(uint64_t offset, absl::Span<char> out) override {
    std::fill(out.begin(), out.end(), 'x');
    return offset + out.size() > 500'000 ? Error(ENODATA, "the source broke") : absl::OkStatus();
  }
};

class BrokenSink final : public ByteSink {
 public:
  absl::Status Write(uint64_t, absl::Span<const char>) override {
    return Error(ENOSPC, "the sink broke");
  }
};

TEST_P(StoreConformance, ErrorsOfSourceAndSinkComeBack) {
  ASSERT_TRUE(Put("a", "kept").ok());
  PutRequest put;
  put.key = Key("a");
  BrokenSource source;
  EXPECT_EQ(ErrorIn(store_->Put(call_, put, source)), ENODATA);
  EXPECT_EQ(Read("a"), "kept");
  BrokenSink sink;
  EXPECT_EQ(ErrorIn(store_->Get(call_, {Key("a"), {}, {}, false}, sink)), ENOSPC);
}

TEST_P(StoreConformance, CountsRequests) {
  const RequestCounts before = store_->counts();
  ASSERT_TRUE(Put("a", "12345").ok());
  EXPECT_EQ(Read("a"), "12345");
  EXPECT_FALSE(Exists("b"));
  ListAll({});
  const RequestCounts after = store_->counts();
  EXPECT_EQ(after.put - before.put, 1u);
  EXPECT_EQ(after.get - before.get, 1u);
  EXPECT_EQ(after.head - before.head, 1u);
  EXPECT_EQ(after.list - before.list, 1u);
  EXPECT_EQ(after.errors - before.errors, 1u);
  EXPECT_GE(after.bytes_out - before.bytes_out, 5u);
  EXPECT_GE(after.bytes_in - before.bytes_in, 5u);
}

}  // namespace
}  // namespace s3files
