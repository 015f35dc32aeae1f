// Which conditions go with writes. Those that the store is not known to honour are sent all the
// same where Capabilities::try_conditions says so, since a store that honours them loses no update
// ([W8]), and given up where it turns out to refuse or to misjudge them.
#ifndef S3FILES_LIB_S3_CONDITIONS_H_
#define S3FILES_LIB_S3_CONDITIONS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "lib/s3/s3_client.h"
#include "lib/store/capabilities.h"

namespace s3files {

enum class ConditionKind : uint8_t {
  kCreate,   // If-None-Match on PUT
  kReplace,  // If-Match on PUT
  kCompleteCreate,
  kCompleteReplace,
  kCopyCreate,  // on the target
  kCopyReplace,
  kCopySource,
  kDelete,
};
inline constexpr size_t kConditionKinds = 8;

// How a store stands to conditions of a kind.
enum class Standing : uint8_t {
  kReliedOn,  // it honours them
  kTried,     // they are sent; it was not heard about one so far
  kTaken,     // they are sent; it took one, so its 412 is believed. It may ignore them, though
  kNotSent,
};

using Standings = std::array<std::atomic<Standing>, kConditionKinds>;  // by ConditionKind

// One condition of one write, through all the requests it takes.
class ConditionTrial {
 public:
  // `standing`: of its kind, where what is found out is kept. Null: there is no condition.
  explicit ConditionTrial(std::atomic<Standing>* standing)
      : shared_(standing),
        standing_(standing == nullptr ? Standing::kReliedOn : standing->load()) {}

  bool sent() const { return standing_ != Standing::kNotSent; }
  bool relied_on() const { return standing_ == Standing::kReliedOn; }

  // After each request: true = send it again, the condition is not `sent` any more. `condition` is
  // what the request carried; where that may have been to blame, its before_repeat is asked first,
  // and what it finds takes the place of the refusal.
  bool Again(const WriteCondition& condition, S3Reply& reply);

 private:
  bool Doubtful(const WriteCondition& condition, const S3Reply& reply) const;

  std::atomic<Standing>* const shared_;
  Standing standing_;
  bool ambiguous_ = false;  // an earlier request was
};

void SetStandings(const Capabilities& can, Standings& standings);

}  // namespace s3files

#endif  // S3FILES_LIB_S3_CONDITIONS_H_
