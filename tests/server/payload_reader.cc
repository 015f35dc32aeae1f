#include "tests/server/payload_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/server/s3_error.h"
#include "tests/server/sigv4.h"

namespace s3files::server {
namespace {

constexpr size_t kScratchSize = 256 * 1024;
constexpr char kUnsigned[] = "UNSIGNED-PAYLOAD";
constexpr std::string_view kStreaming = "STREAMING-";
constexpr std::string_view kSignedStreaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
constexpr std::string_view kChunkSignature = "chunk-signature=";
constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature:";

}  // namespace

PayloadSpec DescribeWire(const Request& request) {
  PayloadSpec spec;
  spec.http_chunked = request.Header("transfer-encoding").has_value();
  spec.wire_length = ParseNumber(request.HeaderOr("content-length")).value_or(0);
  spec.length = spec.wire_length;
  return spec;
}

PayloadSpec DescribePayload(const Request& request, const Authentication& authentication) {
  PayloadSpec spec = DescribeWire(request);
  const std::string& hash = authentication.payload_hash;
  spec.aws_chunked = hash.starts_with(kStreaming);
  spec.signed_chunks = hash.starts_with(kSignedStreaming);
  if (spec.aws_chunked) {
    auto length = ParseNumber(request.HeaderOr("x-amz-decoded-content-length"));
    if (!length) throw S3Error("MissingContentLength");
    spec.length = *length;
  } else if (spec.http_chunked) {
    throw S3Error("NotImplemented").With("Header", "Transfer-Encoding");
  } else if (hash != kUnsigned) {
    spec.sha256 = hash;
  }
  if (auto md5 = request.Header("content-md5")) {
    spec.md5 = FromBase64(*md5).value_or("");
    if (spec.md5.size() != 16) throw S3Error("InvalidDigest");
  }
  return spec;
}

PayloadReader::PayloadReader(const PayloadSpec& spec)
    : spec_(spec),
      wire_left_(spec.wire_length),
      payload_left_(spec.length),
      http_decoder_({.chunk = [](std::string_view) {},
                     .data = [this](std::string_view bytes) { TakeWire(bytes); },
                     .trailer = [](std::string_view) {},
                     .end = [] {}}),
      aws_decoder_({.chunk = [this](std::string_view extension) { BeginChunk(extension); },
                    .data = [this](std::string_view bytes) { TakePayload(bytes); },
                    .trailer = [this](std::string_view line) { TakeTrailer(line); },
                    .end = [this] { EndTrailer(); }}) {}

PayloadReader::PayloadReader(const PayloadSpec& spec, const Authentication& authentication,
                             std::unique_ptr<BodyWriter> writer, bool md5)
    : PayloadReader(spec) {
  authentication_ = authentication;
  writer_ = std::move(writer);
  if (md5 || !spec.md5.empty()) md5_.emplace(Hasher::Algorithm::kMd5);
  if (spec.signed_chunks || !spec.sha256.empty()) sha256_.emplace(Hasher::Algorithm::kSha256);
}

bool PayloadReader::Done() const {
  if (abandoned_) return true;
  return spec_.http_chunked ? http_decoder_.done() : wire_left_ == 0;
}

bool PayloadReader::Direct() const {
  return writer_ != nullptr && !spec_.http_chunked && !spec_.aws_chunked;
}

std::span<char> PayloadReader::Space() {
  if (Direct()) return writer_->Space();
  if (scratch_ == nullptr) scratch_.reset(new char[kScratchSize]);
  // Never beyond the body: the next request may follow.
  uint64_t wanted = spec_.http_chunked ? kScratchSize : wire_left_;
  return {scratch_.get(), std::min<uint64_t>(kScratchSize, wanted)};
}

void PayloadReader::Received(size_t count) {
  if (!spec_.http_chunked) wire_left_ -= count;
  if (Direct()) {
    Hash({writer_->Space().data(), count});
    writer_->Advance(count);
  } else if (spec_.http_chunked) {
    http_decoder_.Feed({scratch_.get(), count});
  } else {
    TakeWire({scratch_.get(), count});
  }
}

void PayloadReader::TakeWire(std::string_view bytes) {
  if (writer_ == nullptr) return;
  if (spec_.aws_chunked) {
    aws_decoder_.Feed(bytes);
  } else {
    TakePayload(bytes);
  }
}

void PayloadReader::TakePayload(std::string_view bytes) {
  if (bytes.size() > payload_left_) throw S3Error("IncompleteBody");
  payload_left_ -= bytes.size();
  Hash(bytes);
  while (!bytes.empty()) {
    std::span<char> space = writer_->Space();
    size_t count = std::min(bytes.size(), space.size());
    std::memcpy(space.data(), bytes.data(), count);
    writer_->Advance(count);
    bytes.remove_prefix(count);
  }
}

void PayloadReader::Hash(std::string_view bytes) {
  if (md5_) md5_->Update(bytes);
  if (sha256_) sha256_->Update(bytes);
}

void PayloadReader::BeginChunk(std::string_view extension) {
  if (!spec_.signed_chunks) return;
  if (!chunk_signature_.empty()) EndChunk();
  if (!extension.starts_with(kChunkSignature)) throw S3Error("SignatureDoesNotMatch");
  chunk_signature_ = extension.substr(kChunkSignature.size());
}

void PayloadReader::EndChunk() {
  std::string to_sign = "AWS4-HMAC-SHA256-PAYLOAD\n" + authentication_.date + "\n" +
                        authentication_.scope + "\n" + authentication_.signature + "\n" +
                        Sha256Hex("") + "\n" + ToHex(sha256_->Finish());
  authentication_.signature = Sign(authentication_.signing_key, to_sign);
  if (authentication_.signature != chunk_signature_) {
    throw S3Error("SignatureDoesNotMatch").With("StringToSign", to_sign);
  }
}

void PayloadReader::TakeTrailer(std::string_view line) {
  if (line.starts_with(kTrailerSignature)) {
    trailer_signature_ = line.substr(kTrailerSignature.size());
  } else {
    trailer_ += std::string(line) + "\n";
  }
}

void PayloadReader::EndTrailer() {
  if (!spec_.signed_chunks) return;
  EndChunk();
  if (trailer_.empty()) return;
  std::string to_sign = "AWS4-HMAC-SHA256-TRAILER\n" + authentication_.date + "\n" +
                        authentication_.scope + "\n" + authentication_.signature + "\n" +
                        Sha256Hex(trailer_);
  if (Sign(authentication_.signing_key, to_sign) != trailer_signature_) {
    throw S3Error("SignatureDoesNotMatch").With("StringToSign", to_sign);
  }
}

PayloadReader::Payload PayloadReader::Finish() {
  if (spec_.aws_chunked && (!aws_decoder_.done() || payload_left_ != 0)) {
    throw S3Error("IncompleteBody");
  }
  std::string md5 = md5_ ? md5_->Finish() : "";
  if (!spec_.md5.empty() && spec_.md5 != md5) {
    throw S3Error("BadDigest")
        .With("ExpectedDigest", ToBase64(spec_.md5))
        .With("CalculatedDigest", ToBase64(md5));
  }
  if (!spec_.sha256.empty()) {
    std::string sha256 = ToHex(sha256_->Finish());
    if (sha256 != spec_.sha256) {
      throw S3Error("XAmzContentSHA256Mismatch")
          .With("ClientComputedContentSHA256", spec_.sha256)
          .With("S3ComputedContentSHA256", sha256);
    }
  }
  return {writer_->Finish(), std::move(md5)};
}

}  // namespace s3files::server
