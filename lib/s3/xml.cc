#include "lib/s3/xml.h"

#include <tinyxml2.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/s3/time_format.h"
#include "lib/s3/uri.h"

namespace s3files {
namespace {

using Element = tinyxml2::XMLElement;

absl::Status Malformed(absl::string_view what) {
  return Error(EIO, absl::StrCat("the store's reply is malformed: ", what));
}

// The text of the child `name`, empty where there is none.
absl::string_view TextOf(const Element& parent, const char* name) {
  const Element* child = parent.FirstChildElement(name);
  const char* text = child == nullptr ? nullptr : child->GetText();
  return text == nullptr ? absl::string_view() : absl::string_view(text);
}

// The root element, which must have this name. `document` owns it.
absl::StatusOr<const Element*> RootOf(absl::string_view body, const char* name,
                                      tinyxml2::XMLDocument& document) {
  if (document.Parse(body.data(), body.size()) != tinyxml2::XML_SUCCESS) {
    return Malformed(absl::StrCat("not XML where <", name, "> is expected"));
  }
  const Element* root = document.RootElement();
  if (root == nullptr || absl::string_view(root->Name()) != name) {
    return Malformed(absl::StrCat("no <", name, ">"));
  }
  return root;
}

bool IsTrue(absl::string_view text) { return text == "true" || text == "True" || text == "1"; }

// Names in a list are percent-encoded where the list says so: XML cannot carry every key.
class NameDecoder {
 public:
  explicit NameDecoder(const Element& list) : encoded_(TextOf(list, "EncodingType") == "url") {}
  absl::StatusOr<std::string> Decode(absl::string_view text) const {
    if (!encoded_) return std::string(text);
    std::optional<std::string> name = DecodeUri(text);
    if (!name.has_value()) return Malformed("a key is not percent-encoded");
    return *std::move(name);
  }

 private:
  const bool encoded_;
};

absl::StatusOr<WriteResult> ParseWriteResult(absl::string_view body, const char* root_name) {
  tinyxml2::XMLDocument document;
  S3FILES_ASSIGN_OR_RETURN(const Element* root, RootOf(body, root_name, document));
  WriteResult out;
  out.etag = std::string(TextOf(*root, "ETag"));
  out.last_modified_ns = ParseIso8601(TextOf(*root, "LastModified")).value_or(0);
  return out;
}

absl::StatusOr<ListedObject> ParseListedObject(const Element& entry, const NameDecoder& names) {
  ListedObject out;
  S3FILES_ASSIGN_OR_RETURN(out.key, names.Decode(TextOf(entry, "Key")));
  if (!absl::SimpleAtoi(TextOf(entry, "Size"), &out.size)) return Malformed("a size");
  const std::optional<int64_t> time = ParseIso8601(TextOf(entry, "LastModified"));
  if (!time.has_value()) return Malformed("a LastModified");
  out.stamp = {Version::Of(TextOf(entry, "ETag")), *time};
  out.storage_class = std::string(TextOf(entry, "StorageClass"));
  if (out.storage_class == "STANDARD") out.storage_class.clear();  // as HEAD has it
  return out;
}

void AppendEscaped(absl::string_view text, std::string& out) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\r':
        out += "&#13;";
        break;  // parsers fold it into a line feed otherwise
      case '\n':
        out += "&#10;";
        break;
      case '\t':
        out += "&#9;";
        break;
      default:
        out.push_back(c);
    }
  }
}

}  // namespace

std::optional<S3ErrorBody> ParseError(absl::string_view body) {
  if (body.find("<Error") == absl::string_view::npos) return std::nullopt;  // cheaper than to parse
  tinyxml2::XMLDocument document;
  if (document.Parse(body.data(), body.size()) != tinyxml2::XML_SUCCESS) return std::nullopt;
  const Element* root = document.RootElement();
  if (root != nullptr && absl::string_view(root->Name()) == "ErrorResponse") {
    root = root->FirstChildElement("Error");
  }
  if (root == nullptr || absl::string_view(root->Name()) != "Error") return std::nullopt;
  S3ErrorBody out;
  out.code = std::string(TextOf(*root, "Code"));
  out.message = std::string(TextOf(*root, "Message"));
  out.request_id = std::string(TextOf(*root, "RequestId"));
  out.region = std::string(TextOf(*root, "Region"));
  out.condition = std::string(TextOf(*root, "Condition"));
  out.server_time_ns = ParseIso8601(TextOf(*root, "ServerTime")).value_or(0);
  return out;
}

absl::StatusOr<WriteResult> ParseCopyObject(absl::string_view body) {
  return ParseWriteResult(body, "CopyObjectResult");
}

absl::StatusOr<WriteResult> ParseCopyPart(absl::string_view body) {
  return ParseWriteResult(body, "CopyPartResult");
}

absl::StatusOr<WriteResult> ParseCompleteUpload(absl::string_view body) {
  return ParseWriteResult(body, "CompleteMultipartUploadResult");
}

absl::StatusOr<std::string> ParseCreateUpload(absl::string_view body) {
  tinyxml2::XMLDocument document;
  S3FILES_ASSIGN_OR_RETURN(const Element* root,
                           RootOf(body, "InitiateMultipartUploadResult", document));
  std::string id(TextOf(*root, "UploadId"));
  if (id.empty()) return Malformed("no UploadId");
  return id;
}

absl::StatusOr<ListPage> ParseListObjects(absl::string_view body) {
  tinyxml2::XMLDocument document;
  S3FILES_ASSIGN_OR_RETURN(const Element* root, RootOf(body, "ListBucketResult", document));
  const NameDecoder names(*root);
  ListPage out;
  for (const Element* entry = root->FirstChildElement("Contents"); entry != nullptr;
       entry = entry->NextSiblingElement("Contents")) {
    S3FILES_ASSIGN_OR_RETURN(ListedObject object, ParseListedObject(*entry, names));
    out.objects.push_back(std::move(object));
  }
  for (const Element* entry = root->FirstChildElement("CommonPrefixes"); entry != nullptr;
       entry = entry->NextSiblingElement("CommonPrefixes")) {
    S3FILES_ASSIGN_OR_RETURN(std::string prefix, names.Decode(TextOf(*entry, "Prefix")));
    out.prefixes.push_back(std::move(prefix));
  }
  if (IsTrue(TextOf(*root, "IsTruncated"))) {
    out.next_token = std::string(TextOf(*root, "NextContinuationToken"));
    if (out.next_token.empty()) return Malformed("a truncated list without NextContinuationToken");
  }
  return out;
}

absl::StatusOr<PartsPage> ParseListParts(absl::string_view body) {
  tinyxml2::XMLDocument document;
  S3FILES_ASSIGN_OR_RETURN(const Element* root, RootOf(body, "ListPartsResult", document));
  PartsPage out;
  for (const Element* entry = root->FirstChildElement("Part"); entry != nullptr;
       entry = entry->NextSiblingElement("Part")) {
    UploadedPart part;
    if (!absl::SimpleAtoi(TextOf(*entry, "PartNumber"), &part.number) || part.number < 1 ||
        !absl::SimpleAtoi(TextOf(*entry, "Size"), &part.size)) {
      return Malformed("a part");
    }
    part.etag = Version::Of(TextOf(*entry, "ETag")).etag();
    out.parts.push_back(std::move(part));
  }
  out.truncated = IsTrue(TextOf(*root, "IsTruncated"));
  out.next_part_number = std::string(TextOf(*root, "NextPartNumberMarker"));
  if (out.truncated && (out.parts.empty() || out.next_part_number.empty())) {
    return Malformed("a truncated list without NextPartNumberMarker");
  }
  return out;
}

absl::StatusOr<UploadsPage> ParseListUploads(absl::string_view body) {
  tinyxml2::XMLDocument document;
  S3FILES_ASSIGN_OR_RETURN(const Element* root,
                           RootOf(body, "ListMultipartUploadsResult", document));
  const NameDecoder names(*root);
  UploadsPage out;
  for (const Element* entry = root->FirstChildElement("Upload"); entry != nullptr;
       entry = entry->NextSiblingElement("Upload")) {
    PendingUpload upload;
    S3FILES_ASSIGN_OR_RETURN(upload.key, names.Decode(TextOf(*entry, "Key")));
    upload.upload_id = std::string(TextOf(*entry, "UploadId"));
    if (upload.upload_id.empty()) return Malformed("an upload without UploadId");
    upload.initiated_ns = ParseIso8601(TextOf(*entry, "Initiated")).value_or(0);
    out.uploads.push_back(std::move(upload));
  }
  out.truncated = IsTrue(TextOf(*root, "IsTruncated"));
  S3FILES_ASSIGN_OR_RETURN(out.next_key, names.Decode(TextOf(*root, "NextKeyMarker")));
  out.next_upload_id = std::string(TextOf(*root, "NextUploadIdMarker"));
  if (out.truncated && out.next_key.empty()) return Malformed("no NextKeyMarker");
  return out;
}

absl::StatusOr<std::vector<DeleteFailure>> ParseDeleteObjects(absl::string_view body) {
  tinyxml2::XMLDocument document;
  S3FILES_ASSIGN_OR_RETURN(const Element* root, RootOf(body, "DeleteResult", document));
  std::vector<DeleteFailure> out;
  for (const Element* entry = root->FirstChildElement("Error"); entry != nullptr;
       entry = entry->NextSiblingElement("Error")) {
    out.push_back({std::string(TextOf(*entry, "Key")), std::string(TextOf(*entry, "Code")),
                   std::string(TextOf(*entry, "Message"))});
  }
  return out;
}

absl::StatusOr<ObjectTags> ParseTagging(absl::string_view body) {
  tinyxml2::XMLDocument document;
  S3FILES_ASSIGN_OR_RETURN(const Element* root, RootOf(body, "Tagging", document));
  const Element* set = root->FirstChildElement("TagSet");
  if (set == nullptr) return Malformed("no <TagSet>");
  ObjectTags out;
  for (const Element* entry = set->FirstChildElement("Tag"); entry != nullptr;
       entry = entry->NextSiblingElement("Tag")) {
    const absl::string_view name = TextOf(*entry, "Key");
    if (name.empty()) return Malformed("a tag without Key");
    out[std::string(name)] = std::string(TextOf(*entry, "Value"));
  }
  return out;
}

std::string CompleteUploadBody(absl::Span<const UploadedPart> parts) {
  constexpr absl::string_view kQuote = "&quot;";
  std::string out = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  out.reserve(out.size() + parts.size() * 112 + 32);
  for (const UploadedPart& part : parts) {
    absl::StrAppend(&out, "<Part><PartNumber>", part.number, "</PartNumber><ETag>", kQuote);
    AppendEscaped(part.etag, out);
    absl::StrAppend(&out, kQuote, "</ETag></Part>");
  }
  out += "</CompleteMultipartUpload>";
  return out;
}

bool XmlCanCarry(absl::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
  });
}

std::string DeleteObjectsBody(absl::Span<const std::string> keys) {
  std::string out = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>";
  for (const std::string& key : keys) {
    out += "<Object><Key>";
    AppendEscaped(key, out);
    out += "</Key></Object>";
  }
  out += "</Delete>";
  return out;
}

}  // namespace s3files
