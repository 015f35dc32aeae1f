// Content: reading into several buffers.
#include <algorithm>
#include <cerrno>
#include <vector>

#include "lib/base/errors.h"
#include "lib/content/content.h"

namespace s3files {

absl::StatusOr<size_t> Content::Read(const CallContext& call, uint64_t offset,
                                     absl::Span<const absl::Span<char>> outs) {
  struct Piece {
    ByteRange range;  // of the base
    char* to;
  };
  while (true) {
    BasePtr base;
    std::vector<Piece> pieces;
    uint64_t at = offset;
    {
      // What is staged is copied, and what is not is pinned, at one moment.
      absl::ReaderMutexLock lock(&mu_);
      base = base_;
      const uint64_t size = SizeLocked();
      for (const absl::Span<char>& out : outs) {
        const ByteRange range = Intersect({at, at + out.size()}, {0, size});
        if (range.empty()) continue;
        std::vector<ByteRange> from_base;
        S3FILES_RETURN_IF_ERROR(CopyStaged(range, out.first(range.size()), &from_base));
        for (const ByteRange& piece : from_base) {
          pieces.push_back({piece, out.data() + (piece.begin - range.begin)});
        }
        at = range.end;
      }
    }
    absl::Status status;
    for (auto piece = pieces.begin(); piece != pieces.end() && status.ok(); ++piece) {
      // One request for what follows one another, whatever buffers it goes to.
      uint64_t end = piece->range.end;
      for (auto next = piece + 1; next != pieces.end() && next->range.begin == end; ++next) {
        end = next->range.end;
      }
      status = fetcher_->Read(call, base, piece->range.begin,
                              absl::MakeSpan(piece->to, piece->range.size()), end);
    }
    if (status.ok()) return at - offset;
    if (ErrnoOf(status) != ESTALE) return status;
    // Our own commit may have replaced the version: then the same bytes have a new name.
    S3FILES_ASSIGN_OR_RETURN(const bool rebased, Rebased(call, base));
    if (!rebased) return status;
  }
}

}  // namespace s3files
