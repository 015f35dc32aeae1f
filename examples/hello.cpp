#include <iostream>
#include <s3files/s3files.hpp>

int main(int argc, char** argv) try {
  s3files::file_system fs(argc > 1 ? argv[1] : "memory://hello");
  s3files::ofstream out(fs, "hello.txt");
  out << "hello, bucket\n";
  out.close();  // the object is in the bucket now; an exception before would publish nothing
  std::cout << s3files::ifstream(fs, "hello.txt").rdbuf();
} catch (const s3files::error& failure) {
  std::cerr << failure.what() << "\n";
  return 1;
}
