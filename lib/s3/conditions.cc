#include "lib/s3/conditions.h"

#include "lib/base/errors.h"
#include "lib/s3/s3_error.h"

namespace s3files {

void SetStandings(const Capabilities& can, Standings& standings) {
  const auto set = [&](ConditionKind kind, bool honoured) {
    const Standing otherwise = can.try_conditions ? Standing::kTried : Standing::kNotSent;
    standings[static_cast<size_t>(kind)] = honoured ? Standing::kReliedOn : otherwise;
  };
  set(ConditionKind::kCreate, can.conditional_create);
  set(ConditionKind::kReplace, can.conditional_replace);
  set(ConditionKind::kCompleteCreate, can.conditional_complete);
  set(ConditionKind::kCompleteReplace, can.conditional_complete);
  set(ConditionKind::kCopyCreate, can.copy_target);
  set(ConditionKind::kCopyReplace, can.copy_target);
  set(ConditionKind::kCopySource, can.copy_source);
  set(ConditionKind::kDelete, can.conditional_delete);
}

// Could the condition be to blame, and not the object or the rest of the request? A 412 to a
// condition to create is never doubted: there is no ETag to misread, and a HEAD may be late.
bool ConditionTrial::Doubtful(const WriteCondition& condition, const S3Reply& reply) const {
  if (!sent() || relied_on()) return false;
  if (NotUnderstood(reply.http.status, reply.error.code)) return true;
  // (After a lost reply it may be ours that is there: the commit id tells.)
  return standing_ == Standing::kTried && !condition.if_match.empty() && !reply.ambiguous &&
         PreconditionFailed(reply.http.status, reply.error.code);
}

bool ConditionTrial::Again(const WriteCondition& condition, S3Reply& reply) {
  reply.ambiguous |= ambiguous_;
  ambiguous_ = reply.ambiguous;
  if (reply.status.ok() && shared_ != nullptr) {
    Standing tried = Standing::kTried;
    // Only now is it certain that the condition was to blame.
    if (!sent()) shared_->store(Standing::kNotSent);
    if (sent()) shared_->compare_exchange_strong(tried, Standing::kTaken);
  }
  if (reply.status.ok() || !Doubtful(condition, reply)) return false;
  const absl::Status may = condition.before_repeat();
  if (may.ok()) {
    standing_ = Standing::kNotSent;
    return true;
  }
  reply.status = Error(ErrnoOf(may), may.message(), ReplyOf(reply.status));
  reply.http = HttpResponse();
  reply.error = S3ErrorBody();
  return false;
}

}  // namespace s3files
