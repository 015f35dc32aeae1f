// The C++ header: attributes, symlinks, extended attributes.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "s3files/s3files.hpp"

namespace {

using s3files::attribute_change;
using s3files::file_system;

void Write(const file_system& fs, const char* path) {
  s3files::ofstream out(fs, path);
  out << "bytes";
  out.close();
}

TEST(HppAttributesTest, ChangesAreOneCall) {
  const file_system fs("memory://hpp-attributes");
  Write(fs, "f");
  fs.change("f", attribute_change().mode(0640).owner(7).modified(std::chrono::nanoseconds(42)));
  const s3files::attributes now = fs.stat("f");
  EXPECT_EQ(now.mode, 0640u);
  EXPECT_EQ(now.uid, 7u);
  EXPECT_EQ(now.mtime_ns, 42);
  EXPECT_TRUE(now.has(s3files::fields::times | s3files::fields::blocks));
  fs.change("f", attribute_change().size(2).modified_now());
  EXPECT_EQ(fs.stat("f").size, 2u);
  fs.chmod("f", 0600);
  fs.chown("f", 1, 2);
  EXPECT_EQ(fs.stat("f").gid, 2u);
  std::error_code code;
  fs.chmod("none", 0600, code);
  EXPECT_EQ(code, std::errc::no_such_file_or_directory);
}

TEST(HppAttributesTest, LinksAreMadeReadAndFollowed) {
  const file_system fs("memory://hpp-links");
  Write(fs, "f");
  fs.symlink("f", "link");
  EXPECT_EQ(fs.readlink("link"), "f");
  EXPECT_TRUE(fs.lstat("link").is_symlink());
  EXPECT_TRUE(fs.stat("link").is_file());
  std::error_code code;
  fs.open("link", s3files::open_flags::read | s3files::open_flags::no_follow, code);
  EXPECT_EQ(code, std::errc::too_many_symbolic_link_levels);
  fs.change("link", attribute_change().owner(9), s3files::links::no_follow);
  EXPECT_EQ(fs.lstat("link").uid, 9u);
  EXPECT_EQ(fs.stat("link").uid, 0u);
}

TEST(HppAttributesTest, AccessIsAQuestion) {
  const file_system fs("memory://hpp-access");
  Write(fs, "f");
  fs.chmod("f", 0600);
  s3files::identity who;
  who.uid = who.gid = 1000;
  EXPECT_TRUE(fs.access("f", s3files::access_mode::read));
  EXPECT_FALSE(fs.access("f", s3files::access_mode::read, s3files::call().as(who)));
  EXPECT_TRUE(fs.access("f", s3files::access_mode::exists, s3files::call().as(who)));
  EXPECT_THROW(fs.access("none", s3files::access_mode::exists), s3files::error);
  std::error_code code;
  fs.open("f", s3files::open_flags::read, s3files::call(code).as(who));
  EXPECT_EQ(code, std::errc::permission_denied);
}

TEST(HppAttributesTest, ExtendedAttributes) {
  const file_system fs("memory://hpp-xattrs");
  Write(fs, "f");
  EXPECT_TRUE(fs.list_xattrs("f").empty());
  fs.set_xattr("f", "user.a", "1");
  fs.set_xattr("f", "user.b", std::string_view("\0", 1));
  EXPECT_EQ(fs.list_xattrs("f"), (std::vector<std::string>{"user.a", "user.b"}));
  EXPECT_EQ(fs.get_xattr("f", "user.b"), std::string(1, '\0'));
  fs.remove_xattr("f", "user.a");
  std::error_code code;
  EXPECT_EQ(fs.get_xattr("f", "user.a", code), "");
  EXPECT_EQ(code.value(), ENODATA);
}

// The C ABI's own checks.
TEST(HppAttributesTest, BadArgumentsAreEinval) {
  const file_system fs("memory://hpp-bad");
  Write(fs, "f");
  s3f_setattr_in change = S3F_INIT(s3f_setattr_in);
  EXPECT_EQ(s3f_setattr(fs.native_handle(), nullptr, "f", 0, nullptr, nullptr), -EINVAL);
  change.set = 1u << 30;
  EXPECT_EQ(s3f_setattr(fs.native_handle(), nullptr, "f", 0, &change, nullptr), -EINVAL);
  change.set = S3F_SET_MODE;
  change.mode = 0100644;
  EXPECT_EQ(s3f_setattr(fs.native_handle(), nullptr, "f", 0, &change, nullptr), -EINVAL);
  change.set = S3F_SET_UID;
  change.uid = UINT32_MAX;
  EXPECT_EQ(s3f_setattr(fs.native_handle(), nullptr, "f", 0, &change, nullptr), -EINVAL);
  EXPECT_EQ(s3f_access(fs.native_handle(), nullptr, "f", 0, 8, nullptr), -EINVAL);
  EXPECT_EQ(s3f_symlink(nullptr, fs.native_handle(), nullptr, "l", nullptr), -EINVAL);
  EXPECT_EQ(s3f_setxattr(fs.native_handle(), nullptr, "f", S3F_XATTR_CREATE | S3F_XATTR_REPLACE,
                         "user.a", "", 0, nullptr),
            -EINVAL);
  char byte;
  ASSERT_EQ(s3f_setxattr(fs.native_handle(), nullptr, "f", 0, "user.a", "12", 2, nullptr), 0);
  EXPECT_EQ(s3f_getxattr(&byte, 1, fs.native_handle(), nullptr, "f", 0, "user.a", nullptr),
            -ERANGE);
  EXPECT_EQ(s3f_getxattr(nullptr, 0, fs.native_handle(), nullptr, "f", 0, "user.a", nullptr), 2);
  EXPECT_EQ(
      s3f_setxattr(fs.native_handle(), nullptr, "f", S3F_XATTR_CREATE, "user.a", "", 0, nullptr),
      -EEXIST);
  EXPECT_EQ(
      s3f_setxattr(fs.native_handle(), nullptr, "f", S3F_XATTR_REPLACE, "user.b", "", 0, nullptr),
      -ENODATA);
}

// An empty path with a handle is the handle itself.
TEST(HppAttributesTest, HandlesHaveTheirAttributesChanged) {
  const file_system fs("memory://hpp-handles");
  s3files::file file = fs.open("f", s3files::open_flags::write | s3files::open_flags::create);
  fs.chmod({file, ""}, 0600);
  EXPECT_EQ(file.stat().mode, 0600u);
  fs.unlink("f");
  EXPECT_EQ(file.stat().nlink, 0u);
  fs.chmod({file, ""}, 0640);
  EXPECT_EQ(file.stat().mode, 0640u);
}

}  // namespace
