#include "tests/server/xml_reader.h"

#include <tinyxml2.h>

#include <cstring>

#include "tests/server/request.h"
#include "tests/server/s3_error.h"

namespace s3files::server {
namespace {

using tinyxml2::XMLElement;

class Document {
 public:
  Document(const std::string& xml, const char* root)
      : document_(true, tinyxml2::PRESERVE_WHITESPACE) {
    if (document_.Parse(xml.data(), xml.size()) != tinyxml2::XML_SUCCESS) {
      throw S3Error("MalformedXML");
    }
    root_ = document_.RootElement();
    if (root_ == nullptr || std::strcmp(root_->Name(), root) != 0) throw S3Error("MalformedXML");
  }

  const XMLElement* root() const { return root_; }

 private:
  tinyxml2::XMLDocument document_;
  const XMLElement* root_;
};

std::optional<std::string> Text(const XMLElement* parent, const char* name) {
  const XMLElement* element = parent->FirstChildElement(name);
  if (element == nullptr) return std::nullopt;
  return element->GetText() == nullptr ? "" : element->GetText();
}

std::string Required(const XMLElement* parent, const char* name) {
  auto text = Text(parent, name);
  if (!text) throw S3Error("MalformedXML");
  return *text;
}

}  // namespace

std::vector<std::pair<int, std::string>> ReadCompleteMultipartUpload(const std::string& xml) {
  Document document(xml, "CompleteMultipartUpload");
  std::vector<std::pair<int, std::string>> parts;
  for (const XMLElement* part = document.root()->FirstChildElement("Part"); part != nullptr;
       part = part->NextSiblingElement("Part")) {
    auto number = ParseNumber(Required(part, "PartNumber"));
    if (!number || *number < 1 || *number > 10000) throw S3Error("MalformedXML");
    parts.emplace_back(static_cast<int>(*number), Required(part, "ETag"));
  }
  if (parts.empty()) throw S3Error("MalformedXML");
  return parts;
}

DeleteRequest ReadDelete(const std::string& xml) {
  Document document(xml, "Delete");
  DeleteRequest request;
  request.quiet = Text(document.root(), "Quiet") == "true";
  for (const XMLElement* object = document.root()->FirstChildElement("Object"); object != nullptr;
       object = object->NextSiblingElement("Object")) {
    request.objects.push_back(
        {Required(object, "Key"), Text(object, "VersionId"), Text(object, "ETag")});
  }
  if (request.objects.empty() || request.objects.size() > 1000) throw S3Error("MalformedXML");
  return request;
}

StringMap ReadTagging(const std::string& xml) {
  Document document(xml, "Tagging");
  const XMLElement* set = document.root()->FirstChildElement("TagSet");
  if (set == nullptr) throw S3Error("MalformedXML");
  StringMap tags;
  for (const XMLElement* tag = set->FirstChildElement("Tag"); tag != nullptr;
       tag = tag->NextSiblingElement("Tag")) {
    if (!tags.emplace(Required(tag, "Key"), Required(tag, "Value")).second) {
      throw S3Error("InvalidTag", "Cannot provide multiple Tags with the same key");
    }
  }
  return tags;
}

Versioning ReadVersioningConfiguration(const std::string& xml) {
  Document document(xml, "VersioningConfiguration");
  std::string status = Required(document.root(), "Status");
  if (status == "Enabled") return Versioning::kEnabled;
  if (status == "Suspended") return Versioning::kSuspended;
  throw S3Error("IllegalVersioningConfigurationException");
}

std::string ReadCreateBucketConfiguration(const std::string& xml) {
  if (xml.empty()) return "";
  Document document(xml, "CreateBucketConfiguration");
  return Text(document.root(), "LocationConstraint").value_or("");
}

}  // namespace s3files::server
