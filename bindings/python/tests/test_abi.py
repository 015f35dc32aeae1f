"""The signature table against s3files.h: what ctypes cannot check by itself."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from s3files import _abi

INCLUDE = Path(__file__).parents[3] / "include"
HEADER = (INCLUDE / "s3files/s3files.h").read_text()
STRUCTS = {
    "s3f_error": _abi.Error, "s3f_call": _abi.Call, "s3f_option": _abi.Option,
    "s3f_event": _abi.RawEvent, "s3f_fs_config": _abi.Config, "s3f_stats": _abi.Stats,
    "s3f_attr": _abi.Attributes, "s3f_status_info": _abi.StatusInfo, "s3f_dirent": _abi.Dirent,
    "s3f_lock": _abi.Lock, "s3f_iovec": _abi.IoVector, "s3f_statfs_out": _abi.StatFs,
}
CONSTANTS = ["O_READ", "O_WRITE", "O_CREATE", "O_EXCL", "O_TRUNC", "O_APPEND", "O_DIRECTORY",
             "TYPE_FILE", "TYPE_DIRECTORY", "TYPE_SYMLINK", "STAT_TYPE", "STAT_SIZE", "STAT_LISTED",
             "STAT_ALL", "CLOSE_DISCARD", "RENAME_NOREPLACE", "RENAME_EXCHANGE", "LOCK_NONE",
             "LOCK_SHARED", "LOCK_EXCLUSIVE", "LOCK_WAIT"]


def test_the_table_has_every_function():
    declared = set(re.findall(r"^S3F_API [^;]*?\b(s3f_\w+)\(", HEADER, re.MULTILINE))
    unused = {"s3f_cancel_create", "s3f_cancel_fire", "s3f_cancel_destroy", "s3f_now_ns"}
    assert set(_abi.SIGNATURES) == declared - unused


def test_every_function_is_typed_and_checked():
    for name in _abi.SIGNATURES:
        function = getattr(_abi.lib, name)
        assert function.argtypes is not None
        assert function.errcheck is _abi._check


def test_structs_and_constants_have_the_compiler_s_layout(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    lines = []
    expected = []
    for name, struct in STRUCTS.items():
        lines.append(f'printf("%zu\\n", sizeof({name}));')
        expected.append(ctypes.sizeof(struct))
        for field, *_ in struct._fields_:
            member = "del" if field == "delete" else field
            lines.append(f'printf("%zu\\n", offsetof({name}, {member}));')
            expected.append(getattr(struct, field).offset)
    for name in CONSTANTS:
        lines.append(f'printf("%zu\\n", (size_t)S3F_{name});')
        expected.append(getattr(_abi, name))
    source = tmp_path / "layout.c"
    source.write_text("#include <stdio.h>\n#include <s3files/s3files.h>\n"
                      "int main(void) {" + "\n".join(lines) + "return 0; }\n")
    program = tmp_path / "layout"
    subprocess.run([compiler, "-I", INCLUDE, source, "-o", program], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    assert [int(line) for line in output.split()] == expected
