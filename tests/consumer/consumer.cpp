// Writes a file in C++17 and reads it back.
#include <iostream>
#include <string>

#include <s3files/s3files.hpp>

int main() try {
  s3files::file_system fs("memory://consumer", {{"memory", "16M"}});
  s3files::ofstream out(fs, "a");
  out << "from C++17\n";
  out.close();
  std::string line;
  s3files::ifstream in(fs, "a");
  std::getline(in, line);
  in.close();
  fs.close();
  const bool ok = line == "from C++17";
  std::cout << (ok ? "ok" : line) << "\n";
  return ok ? 0 : 1;
} catch (const s3files::error& failure) {
  std::cerr << failure.what() << "\n";
  return 1;
}
