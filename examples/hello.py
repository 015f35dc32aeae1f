import sys

import s3files

with s3files.FileSystem(sys.argv[1] if len(sys.argv) > 1 else "memory://hello") as fs:
    with fs.open("hello.txt", "w") as out:
        out.write("hello, bucket\n")  # in the bucket when the block ends, not if it raises
    with fs.open("hello.txt") as file:
        print(file.read(), end="")
