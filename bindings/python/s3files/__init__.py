"""Files over an S3 bucket, in the process that uses them.

    import s3files

    with s3files.FileSystem("s3://bucket/prefix") as fs:
        with fs.open("hello.txt", "w") as out:
            out.write("hello")  # in the bucket when the block ends, and not if it raises

What the calls guarantee together is in SEMANTICS.md, shipped with the library's headers.
"""

from ._file_system import Committed, Conflict, DirEntry, Event, FileSystem, Stat, Status
from ._rescue import Rescue, RescueEntry

__version__ = "0.1.0"
__all__ = ["Committed", "Conflict", "DirEntry", "Event", "FileSystem", "Rescue", "RescueEntry", "Stat",
           "Status"]
