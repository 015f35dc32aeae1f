#include "tests/server/xml_writer.h"

#include <utility>

namespace s3files::server {

XmlWriter::XmlWriter(std::string_view root, std::string_view xml_namespace)
    : xml_("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") {
  Begin(root, xml_namespace.empty() ? "" : "xmlns=\"" + std::string(xml_namespace) + "\"");
}

XmlWriter& XmlWriter::Begin(std::string_view element, std::string_view attributes) {
  open_.emplace_back(element);
  xml_ += '<';
  xml_ += element;
  if (!attributes.empty()) xml_ += ' ';
  xml_ += attributes;
  xml_ += '>';
  return *this;
}

XmlWriter& XmlWriter::End() {
  xml_ += "</" + open_.back() + ">";
  open_.pop_back();
  return *this;
}

XmlWriter& XmlWriter::Element(std::string_view name, std::string_view text) {
  return Begin(name).Text(text).End();
}

XmlWriter& XmlWriter::Element(std::string_view name, uint64_t number) {
  return Element(name, std::string_view(std::to_string(number)));
}

XmlWriter& XmlWriter::Element(std::string_view name, bool value) {
  return Element(name, std::string_view(value ? "true" : "false"));
}

XmlWriter& XmlWriter::Text(std::string_view text) {
  for (char c : text) {
    switch (c) {
      case '&':
        xml_ += "&amp;";
        break;
      case '<':
        xml_ += "&lt;";
        break;
      case '>':
        xml_ += "&gt;";
        break;
      case '"':
        xml_ += "&quot;";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') {
          xml_ +=
              "&#x" + std::string(1, "0123456789abcdef"[c >> 4]) + "0123456789abcdef"[c & 15] + ";";
        } else {
          xml_ += c;
        }
    }
  }
  return *this;
}

std::string XmlWriter::Finish() {
  while (!open_.empty()) End();
  return std::move(xml_);
}

}  // namespace s3files::server
