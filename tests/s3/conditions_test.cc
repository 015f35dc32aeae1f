// Conditions that S3Store sends without relying on them, against a script.
#include "lib/s3/conditions.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/errors.h"
#include "lib/s3/s3_store.h"
#include "tests/s3/scripted_transport.h"

namespace s3files {
namespace {

ScriptedReply Unchanged() { return Described("e0", "", 4); }
ScriptedReply Changed() { return Described("e7", "another's", 4); }
ScriptedReply Missing() { return Refusal(404, ""); }
ScriptedReply Completed() {
  return {200,
          {},
          "<CompleteMultipartUploadResult><ETag>\"e1\"</ETag></CompleteMultipartUploadResult>"};
}
ScriptedReply Copied() {
  return {200, {}, "<CopyObjectResult><ETag>\"e1\"</ETag></CopyObjectResult>"};
}

class ConditionsTest : public testing::Test {
 protected:
  ConditionsTest() { Open(); }

  void Open() {
    S3StoreOptions options;
    options.bucket = "bkt";
    options.endpoint = "http://127.0.0.1:1";  // so it is generic
    options.credentials = {"AK", "very-secret", ""};
    options.retry.max_attempts = 3;
    options.retry.base_delay = absl::Milliseconds(1);
    transport_ = std::make_shared<ScriptedTransport>();
    options.transport = transport_;
    auto store = S3Store::Create(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  absl::Status Complete(const Precondition& precondition) {
    return store_->CompleteUpload({}, {"k", "u", {{1, "p", 4}}, precondition, "c1"}).status();
  }
  absl::Status Copy(const Precondition& precondition) {
    return store_->Copy({}, {"s", Version::Of("e5"), "k", precondition, ObjectMetadata{}, "c1"})
        .status();
  }
  absl::Status Delete() { return store_->Delete({}, "k", replace_); }

  // Runs `write`, to which the store replies `replies`, and gives its errno; each request sent is
  // told as its method and the conditions that it carried.
  int Run(const std::vector<ScriptedReply>& replies, const std::function<absl::Status()>& write,
          const std::vector<std::string>& requests) {
    const size_t before = transport_->seen().size();
    for (const ScriptedReply& reply : replies) transport_->Then(reply);
    const absl::Status status = write();
    EXPECT_EQ(transport_->left(), 0u);
    std::vector<std::string> sent;
    for (size_t i = before; i < transport_->seen().size(); ++i) {
      const SeenRequest& request = transport_->seen()[i];
      sent.push_back(request.method);
      for (const std::string name : {"If-Match", "If-None-Match", "x-amz-copy-source-if-match"}) {
        const std::string value = request.Header(name);
        if (!value.empty()) absl::StrAppend(&sent.back(), " ", name, " ", value);
      }
    }
    EXPECT_EQ(sent, requests);
    return status.ok() ? 0 : ErrnoOf(status);
  }

  const Precondition create_ = Precondition::Is(Version::Absent());
  const Precondition replace_ = Precondition::Is(Version::Of("e0"));
  std::shared_ptr<ScriptedTransport> transport_;
  std::unique_ptr<S3Store> store_;
};

TEST_F(ConditionsTest, GenericSendsWhatItDoesNotRelyOn) {
  EXPECT_FALSE(store_->capabilities().conditional_complete);
  const auto complete = [&] { return Complete(replace_); };
  EXPECT_EQ(Run({Completed()}, complete, {"POST If-Match \"e0\""}), 0);
  EXPECT_EQ(Run({Completed()}, [&] { return Complete(create_); }, {"POST If-None-Match *"}), 0);
  EXPECT_EQ(Run({{204, {}, ""}}, [&] { return Delete(); }, {"DELETE If-Match \"e0\""}), 0);
  EXPECT_EQ(Run({Copied()}, [&] { return Copy(replace_); },
                {"PUT If-Match \"e0\" x-amz-copy-source-if-match \"e5\""}),
            0);
}

TEST_F(ConditionsTest, ARefusedKindIsSentWithoutOnceAndForAll) {
  for (const ScriptedReply& refusal :
       {Refusal(501, "NotImplemented"), Refusal(501, ""), Refusal(400, "InvalidArgument"),
        Refusal(400, "InvalidRequest"), Refusal(200, "NotImplemented")}) {
    Open();
    const auto complete = [&] { return Complete(replace_); };
    EXPECT_EQ(Run({refusal, Unchanged(), Completed()}, complete,
                  {"POST If-Match \"e0\"", "HEAD", "POST"}),
              0);
    EXPECT_EQ(Run({Completed()}, complete, {"POST"}), 0);
  }
  EXPECT_EQ(Run({Completed()}, [&] { return Complete(create_); }, {"POST If-None-Match *"}), 0)
      << "a kind of its own";
  const auto remove = [&] { return Delete(); };
  EXPECT_EQ(Run({Refusal(501, "NotImplemented"), Unchanged(), {204, {}, ""}}, remove,
                {"DELETE If-Match \"e0\"", "HEAD", "DELETE"}),
            0);
  EXPECT_EQ(Run({{204, {}, ""}}, remove, {"DELETE"}), 0);
}

TEST_F(ConditionsTest, OfACopyTheTargetsConditionIsGivenUpFirst) {
  const ScriptedReply refusal = Refusal(501, "NotImplemented");
  const std::string source = " x-amz-copy-source-if-match \"e5\"";
  const auto copy = [&] { return Copy(create_); };
  EXPECT_EQ(Run({refusal, Missing(), Copied()}, copy,
                {"PUT If-None-Match *" + source, "HEAD", "PUT" + source}),
            0);
  EXPECT_EQ(Run({Copied()}, copy, {"PUT" + source}), 0);
  Open();
  EXPECT_EQ(Run({refusal, Missing(), refusal, Described("e5", "", 4), Copied()}, copy,
                {"PUT If-None-Match *" + source, "HEAD", "PUT" + source, "HEAD", "PUT"}),
            0);
  EXPECT_EQ(Run({Copied()}, copy, {"PUT"}), 0);
}

TEST_F(ConditionsTest, ARefusalForAnotherReasonIsNotLaidToTheCondition) {
  const ScriptedReply refusal = Refusal(400, "InvalidRequest");
  EXPECT_EQ(Run({refusal, Unchanged(), refusal}, [&] { return Complete(replace_); },
                {"POST If-Match \"e0\"", "HEAD", "POST"}),
            EINVAL);
  EXPECT_EQ(Run({Completed()}, [&] { return Complete(replace_); }, {"POST If-Match \"e0\""}), 0);
  EXPECT_EQ(Run({Refusal(403, "AccessDenied")}, [&] { return Complete(replace_); },
                {"POST If-Match \"e0\""}),
            EACCES);
}

TEST_F(ConditionsTest, WhatChangedMeanwhileIsNotWrittenWithoutTheCondition) {
  for (const ScriptedReply& refusal :
       {Refusal(501, "NotImplemented"), Refusal(412, "PreconditionFailed")}) {
    Open();
    EXPECT_EQ(Run({refusal, Changed()}, [&] { return Complete(replace_); },
                  {"POST If-Match \"e0\"", "HEAD"}),
              ESTALE);
    EXPECT_EQ(
        Run({refusal, Changed()}, [&] { return Delete(); }, {"DELETE If-Match \"e0\"", "HEAD"}),
        ESTALE);
    EXPECT_EQ(
        Run({refusal, Missing()}, [&] { return Delete(); }, {"DELETE If-Match \"e0\"", "HEAD"}), 0);
    EXPECT_EQ(Run({refusal, Refusal(403, "AccessDenied")}, [&] { return Complete(replace_); },
                  {"POST If-Match \"e0\"", "HEAD"}),
              EACCES)
        << "no conflict while it is not known to be one";
  }
}

TEST_F(ConditionsTest, AStoreThatMisjudgesEtagsIsFoundOut) {
  const ScriptedReply failed = Refusal(412, "PreconditionFailed");
  const auto complete = [&] { return Complete(replace_); };
  EXPECT_EQ(
      Run({failed, Unchanged(), Completed()}, complete, {"POST If-Match \"e0\"", "HEAD", "POST"}),
      0);
  EXPECT_EQ(Run({Completed()}, complete, {"POST"}), 0);
}

TEST_F(ConditionsTest, AStoreThatTookOneIsBelievedThe412) {
  const ScriptedReply failed = Refusal(412, "PreconditionFailed");
  const std::vector<std::string> once = {"POST If-Match \"e0\""};
  EXPECT_EQ(Run(
                {Completed()}, [&] { return Complete(replace_); }, once),
            0);
  EXPECT_EQ(Run(
                {failed}, [&] { return Complete(replace_); }, once),
            ESTALE);
}

TEST_F(ConditionsTest, A412ToCreateIsBelieved) {
  const ScriptedReply failed = Refusal(412, "PreconditionFailed");
  EXPECT_EQ(Run({failed}, [&] { return Complete(create_); }, {"POST If-None-Match *"}), EEXIST);
}

TEST_F(ConditionsTest, ALostReplyIsSettledByCommitId) {
  const std::string post = "POST If-Match \"e0\"";
  const ScriptedReply ours = Described("e9", "c1", 4);
  const auto complete = [&] { return Complete(replace_); };
  EXPECT_EQ(Run({Broken(), ours, ours}, complete, {post, "HEAD", "HEAD"}), 0);
  // It took effect only after the HEAD, and was asked for again.
  EXPECT_EQ(Run({Broken(), Unchanged(), Refusal(412, "PreconditionFailed"), ours}, complete,
                {post, "HEAD", post, "HEAD"}),
            0);
  // So it may have with a store that then refuses the condition.
  EXPECT_EQ(Run({Broken(), Unchanged(), Refusal(501, ""), Unchanged(), Refusal(404, "NoSuchUpload"),
                 ours},
                complete, {post, "HEAD", post, "HEAD", "POST", "HEAD"}),
            0);
}

}  // namespace
}  // namespace s3files
