"""README shows the examples as they are compiled and run."""

import re
import sys
from pathlib import Path

here = Path(__file__).parent
readme = (here.parent / "README.md").read_text()
failed = 0
for language, example in {"c": "hello.c", "cpp": "hello.cpp", "python": "hello.py"}.items():
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    if blocks != [(here / example).read_text()]:
        print(f"README.md: its one ```{language} block must be examples/{example}, to the letter")
        failed = 1
sys.exit(failed)
