#!/usr/bin/env python3
"""The checker on small histories, each line of which is one operation; good and bad ones."""
import errno
import unittest

from checker import check
from record import ABSENT, FINAL, INCARNATION


class Story:
    """Records by hand: times are small numbers, and every version has one run of its own."""

    def __init__(self, loose=("a", "b", "c")):
        self.records, self.numbers = [], {}
        for process in loose:
            self.add(process, "start", 0, 0, loose=True, delayed=False, path=None)
            self.leaves(process)

    def add(self, process, op, t0, t1, err=0, incarnation=0, **members):
        number = self.numbers[process] = self.numbers.get(process, 0) + 1
        record = {"p": process, "n": incarnation * INCARNATION + number, "op": op, "t0": t0,
                  "t1": t1, "err": err, "path": "f", **members}
        if record["path"] is None:
            del record["path"]
        self.records.append(record)
        return record

    def leaves(self, process):
        self.add(process, "left", 0, 0, path=None)

    def write(self, version, base, at, runs=None, base_etag=None, t1=None):
        self.add(version.split(".")[0], "write", at, at if t1 is None else t1, id=version, base=base,
                 base_etag=base_etag, runs=runs or [[version, 2]], etag=f"etag {version}", h=1)

    def commit(self, version, t0, t1, err=0, how="close", acks=True):
        self.add(version.split(".")[0], "commit", t0, t1, err, id=version, how=how, acks=acks)

    def put(self, version, base, t0, t1, err=0, how="close"):
        self.write(version, base, t0)
        self.commit(version, t0 + 0.1, t1, err, how)

    def read(self, process, version, t0, t1, h=None, runs=None, first=True, staged=False):
        self.add(process, "read", t0, t1, h=h or len(self.records), runs=runs or [[version, 2]],
                 first=first, staged=staged)

    def absent(self, process, t0, t1):
        self.add(process, "open", t0, t1, errno.ENOENT, h=0, mode="rb", staged=False)

    def kinds(self):
        return [v.kind for v in check(sorted(self.records, key=lambda r: r["t0"])).violations]


class CheckerTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()
        self.story.put("a.1", ABSENT, 10, 11)

    def expect(self, *kinds):
        self.assertEqual(self.story.kinds(), list(kinds))

    # Good ones.

    def test_a_chain(self):
        self.story.put("b.1", "a.1", 12, 13)
        self.story.read("c", "b.1", 14, 15)
        self.story.put("a.2", "b.1", 16, 17)
        self.story.read(FINAL, "a.2", 90, 91)
        self.expect()

    def test_during_a_commit_either_version_is_read(self):
        self.story.put("b.1", "a.1", 20, 30)
        self.story.read("a", "b.1", 21, 22)
        self.story.read("c", "a.1", 20.5, 29)
        self.expect()

    def test_a_conflict_that_nobody_sees(self):
        self.story.put("b.1", "a.1", 12, 13)
        self.story.put("c.1", "a.1", 12, 14, errno.ESTALE)
        self.story.read(FINAL, "b.1", 90, 91)
        self.expect()

    def test_an_ambiguous_commit_may_or_may_not_be_there(self):
        self.story.put("b.1", "a.1", 12, 13, errno.EIO)
        self.story.put("c.1", "a.1", 12, 14, errno.ETIMEDOUT)
        self.story.read("a", "c.1", 15, 16)
        self.expect()

    def test_removed_and_made_again(self):
        self.story.add("b", "remove", 12, 13, staged=False)
        self.story.absent("c", 14, 15)
        self.story.put("c.1", ABSENT, 16, 17)
        self.story.read(FINAL, "c.1", 90, 91)
        self.expect()

    def test_a_remove_told_as_a_conflict_may_have_taken_effect(self):
        self.story.add("b", "remove", 12, 13, err=errno.ESTALE, staged=False)
        self.story.put("c.1", ABSENT, 16, 17)
        self.story.read(FINAL, "c.1", 90, 91)
        self.expect()

    def test_renamed_over(self):
        self.story.put("b.1", None, 12, 13, how="rename")
        self.story.read("c", "b.1", 14, 15)
        self.story.read(FINAL, "b.1", 90, 91)
        self.expect()

    def test_a_handle_keeps_its_version_and_follows_its_own_process(self):
        self.story.read("b", "a.1", 12, 13, h=7)
        self.story.put("c.1", "a.1", 14, 15)
        self.story.read("b", "a.1", 16, 17, h=7, first=False)
        self.story.read("c", "c.1", 18, 19, h=8)
        self.story.put("c.2", "c.1", 20, 21)
        self.story.read("c", "c.2", 22, 23, h=8, first=False)
        self.expect()

    def test_staged_bytes_are_their_own_process_s(self):
        self.story.write("b.1", "a.1", 12)
        self.story.read("b", "b.1", 13, 14, staged=True)
        self.story.read("c", "a.1", 15, 16)
        self.expect()

    def test_a_conflict_told_because_the_reply_was_lost_and_another_was_faster(self):
        self.story.put("b.1", "a.1", 12, 30, errno.ESTALE)
        self.story.read("c", "b.1", 14, 15)
        self.story.put("c.1", "b.1", 16, 17)
        self.expect()
        self.assertEqual(len(check(self.story.records).overtaken), 1)

    def test_a_new_file_that_was_removed_and_made_again_by_a_repeated_request(self):
        self.story.add("b", "remove", 11.1, 11.2, staged=False)
        self.story.put("c.1", ABSENT, 12, 30)
        self.story.read("b", "c.1", 13, 14)
        self.story.add("a", "remove", 15, 16, staged=False)
        self.story.absent("a", 17, 18)
        self.story.read("b", "c.1", 31, 32)
        self.expect()
        self.assertEqual(len(check(self.story.records).reborn), 2)

    def test_nor_need_anybody_have_seen_the_faster_one(self):
        self.story.put("b.1", "a.1", 12, 30, errno.ESTALE)
        self.story.read("c", "b.1", 14, 15)
        self.story.put("c.1", "b.1", 16, 17, errno.EIO)
        self.expect()

    def test_unless_it_was_refused(self):
        self.story.put("b.1", "a.1", 12, 30, errno.ESTALE)
        self.story.read("c", "b.1", 14, 15)
        self.story.put("c.1", "b.1", 16, 17, errno.ESTALE)
        self.expect("failed-visible")

    # Bad ones.

    def test_two_on_one_base(self):
        self.story.put("b.1", "a.1", 12, 13)
        self.story.put("c.1", "a.1", 12, 14)
        self.expect("lost-update")

    def test_two_on_one_base_one_of_them_known_by_its_etag(self):
        self.story.put("b.1", "a.1", 12, 13)
        self.story.write("c.1", None, 12, base_etag="etag a.1")
        self.story.commit("c.1", 13, 14)
        self.expect("lost-update")

    def test_an_ambiguous_one_that_was_seen_and_another_on_its_base(self):
        self.story.put("b.1", "a.1", 12, 13, errno.EIO)
        self.story.put("c.1", "a.1", 12, 14)
        self.story.read("a", "b.1", 12, 13.5)
        self.expect("lost-update")

    def test_a_new_file_over_one_that_is_there(self):
        self.story.put("b.1", ABSENT, 12, 13)
        self.expect("lost-update")

    def test_gone_without_a_remove(self):
        self.story.absent(FINAL, 90, 91)
        self.expect("lost-update")

    def test_a_stale_open(self):
        self.story.put("b.1", "a.1", 12, 13)
        self.story.read("c", "a.1", 14, 15)
        self.expect("stale-open")

    def test_stale_to_somebody_who_read_before_the_close_returned(self):
        self.story.put("b.1", "a.1", 12, 30)
        self.story.read("a", "b.1", 13, 14)
        self.story.read("c", "a.1", 15, 16)
        self.expect("stale-open")

    def test_stale_after_a_rename(self):
        self.story.read("a", "a.1", 12, 13)
        self.story.put("b.1", None, 14, 15, how="rename")
        self.story.read("c", "b.1", 16, 17)
        self.story.read("c", "a.1", 18, 19)
        self.expect("stale-open")

    def test_renamed_over_within_the_time_of_another_chain(self):
        self.story.read("a", "a.1", 12, 13)
        self.story.put("b.1", None, 14, 15, how="rename")
        self.story.read("c", "a.1", 18, 19)
        self.expect("order")

    def test_absent_between_two_moments_of_one_version(self):
        self.story.absent("c", 14, 15)
        self.story.read("b", "a.1", 16, 17)
        self.expect("stale-open")

    def test_the_final_version_is_not_the_last(self):
        self.story.put("b.1", "a.1", 12, 13)
        self.story.read(FINAL, "a.1", 90, 91)
        self.expect("stale-open")

    def test_a_mixture(self):
        self.story.write("b.1", "a.1", 12, runs=[["b.1", 4]])
        self.story.commit("b.1", 12.5, 13)
        self.story.read("c", "b.1", 14, 15, runs=[["b.1", 2], ["a.1", 2]])
        self.expect("mixed")

    def test_cut_short(self):
        self.story.read("c", "a.1", 14, 15, runs=[["a.1", 1]])
        self.expect("mixed")

    def test_a_failed_close_that_is_seen(self):
        self.story.put("b.1", "a.1", 12, 13, errno.ESTALE)
        self.story.read("c", "b.1", 14, 15)
        self.expect("failed-visible")

    def test_in_lost_and_found_and_seen(self):
        self.story.put("b.1", "a.1", 12, 13, errno.EIO)
        self.story.add("b", "lost", 14, 14.5, id="b.1")
        self.story.read("c", "b.1", 15, 16)
        self.expect("failed-visible")

    def test_seen_before_any_close(self):
        self.story.write("b.1", "a.1", 12)
        self.story.read("c", "b.1", 14, 15)
        self.story.commit("b.1", 16, 17)
        self.expect("unpublished")

    def test_nobody_s(self):
        self.story.read("c", "x.9", 14, 15)
        self.expect("unknown-version")

    def test_a_handle_of_two_versions(self):
        self.story.read("b", "a.1", 12, 13, h=7)
        self.story.put("c.1", "a.1", 14, 15)
        self.story.read("b", "c.1", 16, 17, h=7, first=False)
        self.expect("handle-switched")


class KillTest(unittest.TestCase):
    """A process with a state directory that is killed; it has no "left"."""

    def setUp(self):
        self.story = Story()
        self.story.put("a.1", ABSENT, 10, 11)
        self.story.add("s", "start", 1, 1, loose=False, delayed=False, path=None)
        self.story.write("s.1", "a.1", 12, runs=[["s.1", 4]])

    def expect(self, *kinds):
        self.assertEqual(self.story.kinds(), list(kinds))

    def sync(self):
        self.story.add("s", "sync", 13, 14, id="s.1")

    def test_synced_and_nowhere(self):
        self.sync()
        self.expect("fsync-lost")

    def test_synced_and_committed_later(self):
        self.sync()
        self.story.read("b", "s.1", 20, 21, runs=[["s.1", 4]])
        self.expect()

    def test_synced_and_under_what_was_committed(self):
        self.sync()
        self.story.write("s.2", "s.1", 15)
        self.story.read("b", "s.2", 20, 21)
        self.expect()

    def test_synced_and_in_lost_and_found(self):
        self.sync()
        self.story.write("s.2", "s.1", 15)
        self.story.add("s", "lost", 20, 21, incarnation=1, id="s.2")
        self.expect()

    def test_synced_and_discarded(self):
        self.sync()
        self.story.add("s", "discard", 15, 16)
        self.expect()

    def test_synced_and_discarded_when_it_was_settled(self):
        self.sync()
        self.story.add("s", "open", 15, 16, h=9, mode="r+b", staged=False)
        self.story.add("s", "discard", 17, 18)
        self.expect("fsync-lost")

    def test_synced_and_renamed_over_by_another_before_anybody_saw_it(self):
        self.sync()
        self.story.put("b.1", None, 15, 16, how="rename")
        self.story.read("s", "b.1", 17, 18)
        self.expect()

    def test_synced_is_whole(self):
        self.sync()
        self.story.read("b", "s.1", 20, 21, runs=[["s.1", 2], ["a.1", 2]])
        self.expect("mixed")

    def test_not_synced_may_be_torn_but_is_one_version(self):
        self.story.read("b", "s.1", 20, 21, runs=[["s.1", 2], ["a.1", 2]])
        self.expect()
        self.story.read("c", "s.1", 22, 23, runs=[["s.1", 3], ["a.1", 1]])
        self.expect("mixed")


if __name__ == "__main__":
    unittest.main()
