#include "lib/journal/move_row.h"

#include <utility>

#include "lib/base/varint.h"
#include "lib/journal/row_bytes.h"

namespace s3files {

std::string MoveRow::Encode() const {
  std::string out;
  AppendText(path, &out);
  AppendText(origin, &out);
  AppendVarint(landed ? 1 : 0, &out);
  AppendVersion(replaced, &out);
  if (epoch > 0) AppendVarint(epoch, &out);
  return SealRow(RowKind::kMove, out);
}

MoveRow MoveRow::Decode(absl::string_view body) {
  MoveRow row;
  row.path = std::string(TakeText(&body));
  row.origin = std::string(TakeText(&body));
  row.landed = TakeVarint(&body) != 0;
  row.replaced = TakeVersion(&body);
  if (!body.empty()) row.epoch = TakeVarint(&body);
  return row;
}

std::string CopiesRow::Encode() const {
  std::string out;
  AppendVarint(move, &out);
  AppendVarint(copies.size(), &out);
  for (const Copy& copy : copies) {
    AppendVarint(copy.source, &out);
    AppendSigned(copy.listed_ns, &out);
    AppendVarint(copy.target, &out);
    AppendVersion(copy.stamp.version, &out);
    AppendSigned(copy.stamp.last_modified_ns, &out);
  }
  return SealRow(RowKind::kCopies, out);
}

CopiesRow CopiesRow::Decode(absl::string_view body) {
  CopiesRow row;
  row.move = TakeVarint(&body);
  for (uint64_t n = TakeVarint(&body); n > 0; --n) {
    Copy copy;
    copy.source = TakeVarint(&body);
    copy.listed_ns = TakeSigned(&body);
    copy.target = TakeVarint(&body);
    copy.stamp.version = TakeVersion(&body);
    copy.stamp.last_modified_ns = TakeSigned(&body);
    row.copies.push_back(std::move(copy));
  }
  return row;
}

}  // namespace s3files
