#include "examples/demo/claims.h"

#include <iostream>

namespace demo {

void Claims::Section(const std::string& title) {
  std::cout << "\n" << ++sections_ << ". " << title << std::endl;
}

void Claims::Check(bool holds, const std::string& claim) {
  ++(holds ? held_ : failed_);
  std::cout << (holds ? "   ok     " : "   FALSE  ") << claim << std::endl;
}

void Claims::Note(const std::string& text) { std::cout << "          " << text << std::endl; }

}  // namespace demo
