#ifndef S3FILES_TESTS_SERVER_XML_WRITER_H_
#define S3FILES_TESTS_SERVER_XML_WRITER_H_

#include <string>
#include <string_view>
#include <vector>

namespace s3files::server {

// Writes one XML document. Characters XML 1.0 cannot hold, control characters that is, become
// numeric references, as on AWS.
class XmlWriter {
 public:
  static constexpr char kNamespace[] = "http://s3.amazonaws.com/doc/2006-03-01/";

  // `xml_namespace` is left out where empty.
  explicit XmlWriter(std::string_view root, std::string_view xml_namespace = kNamespace);

  // `attributes` is written as it is.
  XmlWriter& Begin(std::string_view element, std::string_view attributes = "");
  XmlWriter& End();
  XmlWriter& Text(std::string_view text);
  XmlWriter& Element(std::string_view name, std::string_view text);
  XmlWriter& Element(std::string_view name, uint64_t number);
  XmlWriter& Element(std::string_view name, bool value);
  // A literal would prefer bool.
  XmlWriter& Element(std::string_view name, const char* text) {
    return Element(name, std::string_view(text));
  }

  // Ends what is open. Call once.
  std::string Finish();

 private:
  std::string xml_;
  std::vector<std::string> open_;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_XML_WRITER_H_
