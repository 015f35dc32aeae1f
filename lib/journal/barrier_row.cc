#include "lib/journal/barrier_row.h"

#include "lib/base/varint.h"
#include "lib/journal/row_bytes.h"

namespace s3files {

std::string BarrierRow::Encode() const {
  std::string out;
  AppendVarint(epoch, &out);
  return SealRow(RowKind::kBarrier, out);
}

BarrierRow BarrierRow::Decode(absl::string_view body) { return {TakeVarint(&body)}; }

}  // namespace s3files
