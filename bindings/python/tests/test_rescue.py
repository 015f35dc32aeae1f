import errno
import shutil

import pytest

import s3files


def test_a_state_directory_is_read_without_its_store(tmp_path):
    (tmp_path / "bucket").mkdir()
    url, state = f"file://{tmp_path}/bucket", tmp_path / "state"
    with s3files.FileSystem(url, state_dir=str(state), commit_delay="never") as fs:
        with fs.open("a", "w") as out:
            out.write("staged")
        with pytest.raises(OSError) as busy:
            s3files.Rescue(state)
        assert busy.value.errno == errno.EBUSY
    shutil.rmtree(tmp_path / "bucket")
    with s3files.Rescue(state) as found:
        assert found.whole and found.url == url + "/" and found.message == ""
        entry = next(found)
        assert (entry.kind, entry.path, entry.size, entry.etag) == ("staged", "a", 6, "")
        assert found.ranges() == [(0, 6, "here")]
        assert found.read(2, 100) == b"aged"
        assert list(found) == []
