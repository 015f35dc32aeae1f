#!/bin/bash
# run.sh BUILD_DIR: installs the build into a prefix of its own, and uses it as a stranger would: by
# the CMake package and by pkg-config, from C99 and from C++17.
set -euo pipefail

build=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

fail() {
  echo "consumer: $*" >&2
  exit 1
}

expect_ok() {
  local said
  said=$("$@") || fail "$1 failed: $said"
  [[ $said == ok ]] || fail "$1 said: $said"
}

cmake --install "$build" --prefix "$prefix" > "$work/install.log"
library=$(find "$prefix" -name libs3files.so)
[[ -n $library ]] || fail "no libs3files.so is installed"

[[ -s $prefix/share/doc/s3files/LICENSE ]] || fail "no LICENSE is installed"

others=$(nm -D --defined-only "$library" | awk '$3 !~ /^s3f_/ { print $3 }')
[[ -z $others ]] || fail "the library exports more than s3f_*: $others"

cmake -S "$here" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" > "$work/configure.log"
cmake --build "$work/cmake" > "$work/build.log" || { cat "$work/build.log"; fail "does not build"; }
expect_ok "$work/cmake/consumer_c"
expect_ok "$work/cmake/consumer_cpp"

PKG_CONFIG_PATH=$(dirname "$library")/pkgconfig
export PKG_CONFIG_PATH
read -ra flags <<< "$(pkg-config --cflags --libs s3files) -Wl,-rpath,$(dirname "$library")"
warnings=(-Wall -Wextra -Wpedantic -Werror)
cc -std=c99 "${warnings[@]}" "$here/consumer.c" -o "$work/by_pkg_config_c" "${flags[@]}"
c++ -std=c++17 "${warnings[@]}" "$here/consumer.cpp" -o "$work/by_pkg_config_cpp" "${flags[@]}"
expect_ok "$work/by_pkg_config_c"
expect_ok "$work/by_pkg_config_cpp"

# As a C linker needs it, which knows nothing of C++. The shared library lies beside: it is not meant.
read -ra flags <<< "$(pkg-config --static --cflags --libs s3files)"
cc -std=c99 "${warnings[@]}" "$here/consumer.c" -o "$work/by_pkg_config_static" \
  "${flags[@]/#-ls3files/-l:libs3files.a}"
expect_ok "$work/by_pkg_config_static"
echo "consumer: CMake package and pkg-config, C99 and C++17, shared and static: ok"
