#!/usr/bin/python3
"""Plants a violation of each rule and sees that check.py finds it, and nothing else."""
import pathlib
import tempfile
import unittest

import check

CLEAN = {
    "include/s3files/s3files.h": "#include <stdint.h>\nS3F_API int s3f_open(void);\n",
    "include/s3files/SEMANTICS.md": "**[C1] Closing publishes.** At once.\n",
    "lib/base/hash.cc": '#include "lib/base/hash.h"\n\n#include <openssl/evp.h>\n',
    "lib/fs/file.cc": '#include "absl/status/status.h"\n#include "lib/content/content.h"\n',
    "lib/api/shim.cc": '#include "s3files/s3files.h"\nint f() try { g(); } catch (...) {}\n',
    "tests/fs/file_test.cc": '#include "lib/fs/file.h"\n// [C1]\n',
    "tests/mutants/C1.patch": "C1: Closing publishes nothing.\n",
}

# Where, what, the message, and what else must be there for it to be the only violation.
PLANTED = {
    "upward include": ("lib/store/x.h", '#include "lib/fs/file.h"\n', "must not include fs/"),
    "store knows transport": ("lib/sync/x.cc", '#include "lib/s3/client.h"\n', "not include s3/"),
    "unknown folder": ("lib/util/x.h", "", "no row"),
    "public header below api": ("lib/fs/x.cc", '#include "s3files/s3files.h"\n', "only api/"),
    "include by neighbour": ("lib/fs/x.cc", '#include "file.h"\n', "root of the repository"),
    "vendor in public header": ("include/s3files/x.hpp", "#include <curl/curl.h>\n", "public header"),
    "Abseil in public header": ("include/s3files/x.hpp", '#include "absl/time/time.h"\n', "public"),
    "server includes lib": ("tests/server/x.cc", '#include "lib/base/hash.h"\n', "shares no code"),
    "second user of a vendor": ("lib/s3/x.cc", "#include <openssl/evp.h>\n", "only lib/base/hash.cc"),
    "vendor in a header": ("lib/s3/xml.h", "#include <tinyxml2.h>\n", "only lib/s3/xml.cc"),
    "Abseil's logs": ("lib/fs/x.cc", '#include "absl/log/log.h"\n', "not used in lib/"),
    "throw": ("lib/api/x.cc", "void f() { throw 1; }\n", "not exceptions"),
    "catch": ("lib/fs/x.cc", "void f() { g(); } catch (...) {}\n", "not exceptions"),
    "long file": ("tests/fs/long_test.cc", "\n" * (check.MAX_LINES + 1), "are the most"),
    "unfinished": ("lib/fs/x.cc", "// TO" "DO: the rest\n", "open an issue"),
    "untested guarantee": ("include/s3files/SEMANTICS.md", "**[C1] a**\n**[W7] b**\n",
                           "[W7] is named by no test", {"tests/mutants/W7.patch": ""}),
    "guarantee without a mutant": ("include/s3files/SEMANTICS.md", "**[C1] a**\n**[N1] b**\n",
                                   "[N1] has no mutant",
                                   {"tests/fs/n_test.cc": "// [N1]\n"}),
    "mutant of nothing": ("tests/mutants/C10-words.patch", "C10: a\n", "breaks nothing"),
    "guarantee that is not stated": ("lib/base/words.h", "// As [C9] says.\n", "[C9] is stated nowhere"),
    "no guarantee": ("include/s3files/SEMANTICS.md", "C1: a\n", "states no guarantee"),
    "guarantee stated twice": ("include/s3files/SEMANTICS.md", "**[C1] a**\n**[C1] b**\n",
                               "stated twice"),
}


def violations(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return list(check.check(check.Tree(pathlib.Path(root))))


class CheckTest(unittest.TestCase):
    def test_clean_tree(self):
        self.assertEqual(violations(CLEAN), [])

    def test_planted_violations(self):
        for name, (path, text, message, *others) in PLANTED.items():
            with self.subTest(name):
                found = violations({**CLEAN, path: text, **dict(*others)})
                self.assertEqual([where for where, _, _ in found], [path])
                self.assertIn(message, found[0][2])

    def test_comments_and_literals_are_not_code(self):
        text = '// throw\n/* catch (\n*/ const char* s = "throw";\n'
        self.assertEqual(violations({**CLEAN, "lib/fs/x.cc": text}), [])

    def test_lines_are_right(self):
        text = '#include "lib/fs/file.h"\n// x\n\nvoid f() { throw 1; }\n'
        self.assertEqual([line for _, line, _ in violations({**CLEAN, "lib/fs/x.cc": text})], [4])

    def test_symbols(self):
        header = CLEAN["include/s3files/s3files.h"]
        self.assertEqual(list(check.check_symbols(header, "0001 T s3f_open\n")), [])
        leaked = list(check.check_symbols(header, "0001 T s3f_open\n0002 T _ZN4absl\n"))
        self.assertIn("exports _ZN4absl", leaked[0][2])
        missing = list(check.check_symbols(header, ""))
        self.assertIn("does not export s3f_open", missing[0][2])


if __name__ == "__main__":
    unittest.main()
