#include "lib/sync/object_writer.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/base/errors.h"
#include "lib/content/snapshot_source.h"

namespace s3files {
namespace {

WriteShape ShapeOf(const Snapshot& snapshot) {
  WriteShape shape;
  shape.size = snapshot.size();
  shape.staged = snapshot.overlay == nullptr ? nullptr : &snapshot.overlay->staged();
  shape.base_visible = snapshot.base_visible();
  shape.has_base = snapshot.base != nullptr && snapshot.base->version.known();
  return shape;
}

absl::StatusOr<PutRequest> RequestOf(const CallContext& call, ObjectStore* store,
                                     const WriteJob& job) {
  PutRequest request;
  S3FILES_ASSIGN_OR_RETURN(request.tags, KeptTags(call, store, job.tags_of));
  request.key = job.key;
  request.metadata = job.metadata;
  request.commit_id = job.commit_id;
  return request;
}

}  // namespace

bool IsAmbiguous(const absl::Status& status) {
  const int error = ErrnoOf(status);
  return error == EIO || error == ETIMEDOUT || error == ECANCELED;
}

absl::StatusOr<Stamp> ObjectWriter::Write(const CallContext& call, const WriteJob& job) {
  EarlyUpload::Result early;
  if (job.early != nullptr) {
    S3FILES_ASSIGN_OR_RETURN(early, job.early->Take(call));
  }
  // A copy in one request takes the source's tags along, where this object may have its own.
  const bool copy = job.snapshot.IsCopy() && job.tags_of.empty();
  if (!copy) return WriteBytes(call, job, std::move(early));
  if (!early.upload_id.empty()) uploads_->Abort(job.key, early.upload_id);
  return Copy(call, {job.snapshot.base, job.key, job.metadata, job.expected, job.commit_id});
}

absl::StatusOr<Stamp> ObjectWriter::WriteBytes(const CallContext& call, const WriteJob& job,
                                               EarlyUpload::Result early) {
  absl::StatusOr<WritePlan> plan =
      PlanWrite(ShapeOf(job.snapshot), policy_, store_->capabilities());
  if (plan.ok() && !early.upload_id.empty() && plan->kind == WritePlan::Kind::kMultipart) {
    absl::StatusOr<std::vector<Step>> steps = StepsWithEarly(job, early);
    if (steps.ok()) return Multipart(call, job, early.upload_id, *std::move(steps));
  }
  if (!early.upload_id.empty()) uploads_->Abort(job.key, early.upload_id);
  S3FILES_RETURN_IF_ERROR(plan.status());
  if (plan->kind == WritePlan::Kind::kPut) return Put(call, job);
  return WriteParts(call, job, *std::move(plan));
}

absl::StatusOr<Stamp> ObjectWriter::Copy(const CallContext& call, const CopyJob& job) {
  const Capabilities& can = store_->capabilities();
  if (job.source->size > can.largest_copy) return Rewrite(call, job);

  S3FILES_ASSIGN_OR_RETURN(const Precondition precondition,
                           guard_->Prepare(call, job.key, job.expected, WriteKind::kCopy));
  if (!can.copy_source && job.source->version.known()) {
    S3FILES_ASSIGN_OR_RETURN(const Version now, guard_->Current(call, job.source->key));
    if (now != job.source->version) {
      return Error(now.absent() ? ENOENT : ESTALE,
                   job.source->key + " changed in the store before it was copied");
    }
  }
  CopyRequest request;
  request.source_key = job.source->key;
  if (job.source->version.known()) request.source_version = job.source->version;
  request.key = job.key;
  request.precondition = precondition;
  request.metadata = job.metadata;
  if (job.metadata) request.commit_id = job.commit_id;
  absl::StatusOr<Stamp> stamp = store_->Copy(call, request);
  // A store that cannot copy this one gets the bytes through us.
  if (ErrnoOf(stamp.status()) == ENOTSUP) return Rewrite(call, job);
  return stamp;
}

absl::StatusOr<bool> ObjectWriter::SourceChanged(const CallContext& call, const WriteJob& job) {
  const Base& source = *job.snapshot.base;
  S3FILES_ASSIGN_OR_RETURN(const Version now, guard_->Current(call, source.key));
  return now != source.version;
}

// In parts, which the store copies where it can.
absl::StatusOr<Stamp> ObjectWriter::Rewrite(const CallContext& call, const CopyJob& job) {
  WriteJob write{job.key, {}, job.expected, {job.source, nullptr}, job.commit_id, nullptr, "", {},
                 {},      {}};
  bool tagged = job.tagged;
  if (job.metadata) {
    write.metadata = *job.metadata;
  } else {
    S3FILES_ASSIGN_OR_RETURN(ObjectInfo info, store_->Head(call, job.source->key));
    if (job.source->version.known() && info.stamp.version != job.source->version) {
      return Error(ESTALE, job.source->key + " changed in the store before it was copied");
    }
    tagged = info.tag_count > 0;
    write.metadata = std::move(info.metadata);
  }
  if (tagged) write.tags_of = job.source->key;
  return WriteBytes(call, write, {});
}

absl::StatusOr<Stamp> ObjectWriter::Put(const CallContext& call, const WriteJob& job) {
  SnapshotSource source(fetcher_, spill_, &job.snapshot, {0, job.snapshot.size()});
  S3FILES_RETURN_IF_ERROR(source.Bring(call));
  S3FILES_ASSIGN_OR_RETURN(PutRequest request, RequestOf(call, store_, job));
  S3FILES_ASSIGN_OR_RETURN(request.precondition,
                           guard_->Prepare(call, job.key, job.expected, WriteKind::kPut));
  return store_->Put(call, request, source);
}

absl::StatusOr<Stamp> ObjectWriter::WriteParts(const CallContext& call, const WriteJob& job,
                                               WritePlan plan) {
  S3FILES_ASSIGN_OR_RETURN(const PutRequest request, RequestOf(call, store_, job));
  S3FILES_ASSIGN_OR_RETURN(const std::string upload_id, uploads_->Create(call, request));
  std::vector<Step> steps;
  steps.reserve(plan.parts.size());
  for (const PlannedPart& part : plan.parts) steps.push_back({part, {}});
  return Multipart(call, job, upload_id, std::move(steps));
}

// The parts that were uploaded early and not changed since stay as they are; the rest is uploaded.
absl::StatusOr<std::vector<ObjectWriter::Step>> ObjectWriter::StepsWithEarly(
    const WriteJob& job, const EarlyUpload::Result& early) const {
  const Capabilities& can = store_->capabilities();
  const uint64_t size = job.snapshot.size();
  const RangeSet& rewritten = job.snapshot.overlay->rewritten();
  std::vector<Step> steps;
  auto done = early.parts.begin();
  for (uint64_t at = 0; at < size;) {
    const uint32_t number = static_cast<uint32_t>(steps.size()) + 1;
    if (number > can.most_parts) return Error(EFBIG, "more parts than the store takes");
    ByteRange range = StreamingPartRange(number, policy_, can);
    range.end = std::min(range.end, size);
    Step step{{number, range, false}, {}};
    while (done != early.parts.end() && done->uploaded.number < number) ++done;
    if (done != early.parts.end() && done->uploaded.number == number && done->range == range &&
        !rewritten.Intersects(range)) {
      step.uploaded = done->uploaded;
    }
    steps.push_back(std::move(step));
    at = range.end;
  }
  return steps;
}

absl::Status ObjectWriter::CarryStep(const CallContext& call, const WriteJob& job,
                                     const std::string& upload_id, Step& step) {
  if (!step.plan.copy) {
    SnapshotSource source(fetcher_, spill_, &job.snapshot, step.plan.range);
    S3FILES_RETURN_IF_ERROR(source.Bring(call));
    S3FILES_ASSIGN_OR_RETURN(
        step.uploaded, store_->UploadPart(call, job.key, upload_id, step.plan.number, source));
    return absl::OkStatus();
  }
  PartCopyRequest request;
  request.key = job.key;
  request.upload_id = upload_id;
  request.number = step.plan.number;
  request.source_key = job.snapshot.base->key;
  request.source_version = job.snapshot.base->version;
  request.source_range = step.plan.range;
  absl::StatusOr<UploadedPart> part = store_->CopyPart(call, request);
  if (ErrnoOf(part.status()) == ENOTSUP) {
    step.plan.copy = false;
    return CarryStep(call, job, upload_id, step);
  }
  if (ErrnoOf(part.status()) == ENOENT && !job.snapshot.borrowed) {
    // Which is gone, the upload or the object? The latter is a conflict.
    S3FILES_ASSIGN_OR_RETURN(const Version now, guard_->Current(call, request.source_key));
    if (now.absent()) {
      return Error(ESTALE, request.source_key + " was removed from the store",
                   ReplyOf(part.status()));
    }
  }
  S3FILES_ASSIGN_OR_RETURN(step.uploaded, std::move(part));
  return absl::OkStatus();
}

absl::Status ObjectWriter::Carry(const CallContext& call, const WriteJob& job,
                                 const std::string& upload_id, std::vector<Step>& steps) {
  absl::Mutex mu;
  absl::Status first_error;  // guarded by mu
  std::atomic<uint64_t> done{0}, told{0};
  std::atomic<bool> telling_now{false};
  std::vector<Step*> open;
  for (Step& step : steps) {
    if (step.uploaded.number == 0) {
      open.push_back(&step);
    } else {
      done += step.plan.range.size();
    }
  }
  ParallelFor(executor_, open.size(), [&](size_t i) {
    {
      absl::MutexLock lock(&mu);
      if (!first_error.ok()) return;
    }
    const absl::Status status = CarryStep(call, job, upload_id, *open[i]);
    if (status.ok() && job.on_progress) {
      done += open[i]->plan.range.size();
      // One at a time, so that it never goes back; who comes meanwhile leaves it to the one who tells.
      for (bool telling = false; told < done && telling_now.compare_exchange_strong(telling, true);
           telling = false) {
        told = done.load();
        job.on_progress(told);
        telling_now = false;
      }
    }
    absl::MutexLock lock(&mu);
    first_error.Update(status);
  });
  return first_error;
}

absl::StatusOr<Stamp> ObjectWriter::Multipart(const CallContext& call, const WriteJob& job,
                                              const std::string& upload_id,
                                              std::vector<Step> steps) {
  auto complete = [&]() -> absl::StatusOr<Stamp> {
    S3FILES_RETURN_IF_ERROR(Carry(call, job, upload_id, steps));
    CompleteRequest request;
    request.key = job.key;
    request.upload_id = upload_id;
    request.commit_id = job.commit_id;
    for (Step& step : steps) request.parts.push_back(std::move(step.uploaded));
    S3FILES_ASSIGN_OR_RETURN(request.precondition,
                             guard_->Prepare(call, job.key, job.expected, WriteKind::kComplete));
    return uploads_->Complete(call, request);
  };
  absl::StatusOr<Stamp> stamp = complete();
  if (!stamp.ok()) uploads_->Abort(job.key, upload_id);
  return stamp;
}

}  // namespace s3files
