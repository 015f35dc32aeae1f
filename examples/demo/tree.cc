#include "examples/demo/tree.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace demo {
namespace {

namespace stdfs = std::filesystem;

constexpr size_t kChunk = 1 << 20;

void ScanDirectory(const std::string& directory, size_t limit, Tree& tree) {
  std::vector<stdfs::directory_entry> entries(
      stdfs::directory_iterator(tree.root / directory,
                                stdfs::directory_options::skip_permission_denied),
      {});
  std::sort(entries.begin(), entries.end());
  std::vector<std::string> below;
  for (const stdfs::directory_entry& entry : entries) {
    const std::string path = (stdfs::path(directory) / entry.path().filename()).string();
    const stdfs::file_type type = entry.symlink_status().type();
    if (type == stdfs::file_type::directory) {
      below.push_back(path);
    } else if (type != stdfs::file_type::regular || access(entry.path().c_str(), R_OK) != 0) {
      ++tree.skipped;
    } else if (tree.files.size() < limit) {
      tree.files.push_back(path);
    }
  }
  for (const std::string& path : below) {
    if (tree.files.size() == limit) return;
    tree.directories.push_back(path);
    ScanDirectory(path, limit, tree);
  }
}

std::ifstream OpenSource(const Tree& tree, const std::string& file) {
  std::ifstream source(tree.root / file, std::ios::binary);
  if (!source) throw std::runtime_error("cannot read " + (tree.root / file).string());
  return source;
}

// Reads up to a chunk; empty at the end.
std::string NextChunk(std::istream& from) {
  std::string chunk(kChunk, '\0');
  from.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
  if (from.bad()) throw std::runtime_error("reading failed");
  chunk.resize(static_cast<size_t>(from.gcount()));
  return chunk;
}

uint64_t CopyFile(const Tree& tree, const std::string& file, const s3files::file_system& fs) {
  std::ifstream source = OpenSource(tree, file);
  s3files::ofstream target(fs, file);
  uint64_t size = 0;
  for (std::string chunk; !(chunk = NextChunk(source)).empty(); size += chunk.size()) {
    target << chunk;
  }
  target.close();  // reports what failed in any write; the file is in the bucket afterwards
  return size;
}

uint64_t CompareFile(const Tree& tree, const std::string& file, const s3files::file_system& fs) {
  std::ifstream source = OpenSource(tree, file);
  s3files::ifstream copy(fs, file);
  copy.exceptions(std::ios::badbit);
  uint64_t size = 0;
  for (std::string chunk; !(chunk = NextChunk(source)).empty(); size += chunk.size()) {
    if (NextChunk(copy) != chunk) throw std::runtime_error(file + ": the bytes differ");
  }
  if (!NextChunk(copy).empty()) throw std::runtime_error(file + ": the copy is longer");
  return size;
}

size_t DepthOf(const std::string& path) { return std::count(path.begin(), path.end(), '/'); }

// Runs over directories a level at a time: those of one level do not need each other.
template <typename Iterator, typename Work>
void ForEachLevel(const std::string& what, Iterator begin, Iterator end, const Work& work) {
  while (begin != end) {
    const auto level_end = std::find_if(begin, end, [&](const std::string& directory) {
      return DepthOf(directory) != DepthOf(*begin);
    });
    RunAll(what, static_cast<size_t>(level_end - begin), [&](size_t i) {
      work(*(begin + static_cast<std::ptrdiff_t>(i)));
      return uint64_t{0};
    });
    begin = level_end;
  }
}

std::vector<std::string> ByDepth(std::vector<std::string> directories) {
  std::stable_sort(directories.begin(), directories.end(),
                   [](const auto& a, const auto& b) { return DepthOf(a) < DepthOf(b); });
  return directories;
}

}  // namespace

uint64_t Tree::SizeOf(const std::string& file) const { return stdfs::file_size(root / file); }

std::string Tree::ReadFile(const std::string& file) const {
  std::ifstream source = OpenSource(*this, file);
  return std::string(std::istreambuf_iterator<char>(source), {});
}

Tree ScanTree(const stdfs::path& root, size_t limit) {
  Tree tree;
  tree.root = root;
  ScanDirectory("", limit, tree);
  return tree;
}

Totals CopyIn(const Tree& tree, const s3files::file_system& fs) {
  const std::vector<std::string> directories = ByDepth(tree.directories);
  ForEachLevel("making directories:", directories.begin(), directories.end(),
               [&](const std::string& directory) { fs.mkdir(directory); });
  return RunAll("copying:", tree.files.size(),
                [&](size_t i) { return CopyFile(tree, tree.files[i], fs); });
}

Totals Compare(const Tree& tree, const s3files::file_system& fs) {
  return RunAll("comparing:", tree.files.size(),
                [&](size_t i) { return CompareFile(tree, tree.files[i], fs); });
}

Listed ListAll(const s3files::file_system& fs) {
  Listed all;
  const auto list = [&](const std::string& directory) {
    const std::string prefix = directory.empty() ? "" : directory + "/";
    for (const s3files::directory_entry& entry : fs.list(directory)) {
      (entry.is_directory() ? all.directories : all.files).push_back(prefix + entry.name());
      all.bytes += entry.attributes().size;
    }
  };
  list("");
  for (size_t i = 0; i < all.directories.size(); ++i) list(std::string(all.directories[i]));
  return all;
}

void RemoveAll(const s3files::file_system& fs) {
  const Listed all = ListAll(fs);
  RunAll("removing:", all.files.size(), [&](size_t i) {
    fs.unlink(all.files[i]);
    return uint64_t{0};
  });
  const std::vector<std::string> directories = ByDepth(all.directories);
  ForEachLevel("removing directories:", directories.rbegin(), directories.rend(),
               [&](const std::string& directory) { fs.rmdir(directory); });
}

std::string ReadAll(const s3files::file_system& fs, const std::string& path) {
  s3files::ifstream file(fs, path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace demo
