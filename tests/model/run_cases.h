// How long cases of a model are tried, and what is told of it.
#ifndef S3FILES_TESTS_MODEL_RUN_CASES_H_
#define S3FILES_TESTS_MODEL_RUN_CASES_H_

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "gtest/gtest.h"
#include "rapidcheck.h"

namespace s3files::model {

struct Effort {
  uint64_t cases = 0;
  uint64_t operations = 0;
  size_t most_worlds = 1;
};

// Each of the two models takes half of S3FILES_MODEL_SECONDS. Where nobody says, they try the same
// every time, however fast the machine is: `seeds` times a hundred cases. `play` returns what went
// wrong.
template <typename Case, typename Play>
void RunCases(const rc::Gen<Case>& any, uint64_t seeds, Play play) {
  using Clock = std::chrono::steady_clock;
  const char* const seconds = std::getenv("S3FILES_MODEL_SECONDS");
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  if (seconds == nullptr && std::getenv("RC_PARAMS") == nullptr) params.seed = 1;
  const uint64_t first_seed = params.seed;
  const auto begin = Clock::now();
  const auto over = [&] {
    if (seconds == nullptr) return params.seed >= first_seed + seeds;
    return Clock::now() >= begin + std::chrono::milliseconds(500) * std::atoi(seconds);
  };
  Effort effort;
  bool failed = false;  // then it takes as long as the shrinking does
  do {
    const auto result = rc::detail::checkTestable(
        [&] {
          const Case test = *any.as("case");
          if (!failed && over() && effort.cases > 0) return;
          ++effort.cases;
          const std::string wrong = play(test, effort);
          if (wrong.empty()) return;
          failed = true;
          RC_FAIL(wrong);
        },
        rc::detail::TestMetadata(), params);
    if (!result.template is<rc::detail::SuccessResult>()) {
      rc::detail::printResultMessage(result, std::cout);
      FAIL() << "reproduce with RC_PARAMS='seed=" << params.seed << "'";
    }
    ++params.seed;
  } while (!over());
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  std::cout << effort.cases << " cases, " << effort.operations << " operations, "
            << static_cast<uint64_t>(effort.operations / took) << " a second; seeds " << first_seed
            << " to " << params.seed - 1;
  if (effort.most_worlds > 1) std::cout << "; at most " << effort.most_worlds << " worlds at once";
  std::cout << "\n";
  EXPECT_GT(effort.cases, 0u);
}

}  // namespace s3files::model

#endif  // S3FILES_TESTS_MODEL_RUN_CASES_H_
