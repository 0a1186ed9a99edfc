"""One run at a time, whatever happens to answers, clocks and holders."""

import threading

import pytest

from deployers.base import Slot
from deployers.errors import LeaseHeldError, UnreachableError
from deployers.sagemaker import leases
from deployers.sagemaker.bucket import Bucket, Kept
from deployers.sagemaker.refusals import ConflictError

SLOT = Slot(artifact="models/nlp:bert", stage="prod", target="aws")


class Memory:
    """A bucket whose objects are as old as a test says, and whose answers can get lost."""

    def __init__(self):
        self.objects = {}
        self.ages = {}
        self.versions = 0
        self.losing = 0

    def get(self, key):
        if key not in self.objects:
            return None
        content, version = self.objects[key]
        return Kept(content=content, version=version, age=self.ages.get(key, 0.0))

    def put(self, key, content, *, matching):
        if (self.objects[key][1] if key in self.objects else None) != matching:
            raise ConflictError("At least one of the pre-conditions you specified did not hold")
        self.versions += 1
        self.objects[key] = (content, str(self.versions))
        if self.losing:
            self.losing -= 1
            raise ConflictError("made again after its answer was lost")
        return str(self.versions)


@pytest.fixture
def bucket():
    return Memory()


def test_a_second_run_is_told_who_is_at_work_and_gets_the_lease_when_that_ends(bucket):
    with leases.lease(bucket, SLOT) as held:
        with pytest.raises(LeaseHeldError, match=held.holding.owner) as failure, leases.lease(bucket, SLOT):
            pass
        assert "60 seconds" in failure.value.hint
    with leases.lease(bucket, SLOT):
        pass


def test_slots_do_not_hold_one_another_up(bucket):
    with leases.lease(bucket, SLOT), leases.lease(bucket, Slot("models/nlp:bert", "dev", "aws")):
        pass


def test_the_lease_of_a_run_that_died_is_taken_over_once_it_has_expired(bucket):
    first = leases._acquire(bucket, SLOT, patience=0, sleep=None, clock=lambda: 0.0, duration=60)
    bucket.ages[first.key] = 60.0
    with pytest.raises(LeaseHeldError), leases.lease(bucket, SLOT):
        pass
    bucket.ages[first.key] = 62.0
    with leases.lease(bucket, SLOT) as second:
        with pytest.raises(ConflictError):
            first._write()
        second._write()


def test_a_run_waits_for_a_lease_as_long_as_it_has_patience(bucket):
    first = leases._acquire(bucket, SLOT, patience=0, sleep=None, clock=lambda: 0.0, duration=60)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if sum(slept) > 5:
            bucket.ages[first.key] = 100.0

    with leases.lease(bucket, SLOT, patience=60, sleep=sleep):
        pass
    assert 5 < sum(slept) < 8
    bucket.ages = {}
    slept.clear()
    with (
        leases.lease(bucket, SLOT),
        pytest.raises(LeaseHeldError),
        leases.lease(bucket, SLOT, patience=3, sleep=slept.append),
    ):
        pass
    assert 3 <= sum(slept) < 5


def test_a_lease_whose_answer_was_lost_is_ours(bucket):
    bucket.losing = 1
    with leases.lease(bucket, SLOT) as held:
        bucket.losing = 1
        held._write()
        held._write()
    assert bucket.get(held.key).content


def test_a_lost_lease_is_told_at_the_next_step(bucket):
    with leases.lease(bucket, SLOT, duration=3600) as held:
        bucket.put(held.key, b'{"owner":"another","duration":60,"since":0}', matching=bucket.get(held.key).version)
        held.renewal._renew()  # by this test alone: a renewal of its thread's would come before the other's write
        with pytest.raises(LeaseHeldError, match="lost"):
            held.renew()
    assert b"another" in bucket.get(held.key).content


def test_while_the_bucket_is_away_a_lease_lasts_until_it_expires(bucket):
    with leases.lease(bucket, SLOT, duration=3600) as held:
        held.renewal._write = _away
        held.renewal._renew()
        held.renew()
        held.renewal.renewed -= 4000
        with pytest.raises(UnreachableError):
            held.renew()


def _away():
    raise UnreachableError("AWS does not answer")


def test_something_else_in_its_place_is_nobodys_lease(bucket):
    bucket.put(leases.key_of(SLOT), b"<html>", matching=None)
    with leases.lease(bucket, SLOT):
        pass


def test_T6_keys_fit_and_never_meet():
    long = [Slot("a" * 1000 + end, "prod", "aws") for end in "xy"]
    keys = [leases.key_of(slot) for slot in [*long, Slot("a/b", "c", "d"), Slot("a", "b/c", "d"), SLOT]]
    assert len(set(keys)) == 5
    assert all(len(key) < 800 for key in keys)


@pytest.fixture
def s3(aws):
    return Bucket(aws.amazon(), aws.bucket, "tagboat")


def test_of_many_runs_at_once_exactly_one_gets_the_lease_of_a_bucket(s3):
    ready, outcomes, done = threading.Barrier(4), [], threading.Event()

    def run():
        ready.wait()
        try:
            with leases.lease(s3, SLOT):
                outcomes.append("held")
                done.wait(30)
        except LeaseHeldError:
            outcomes.append("refused")
            if outcomes.count("refused") == 3:
                done.set()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["held", "refused", "refused", "refused"]
    with leases.lease(s3, SLOT) as after:
        after._write()
        assert s3.get(after.key).age < 60


def test_a_write_of_what_was_changed_or_removed_since_is_refused(s3):
    first = s3.put("records/x.json", b"1", matching=None)
    with pytest.raises(ConflictError):
        s3.put("records/x.json", b"2", matching=None)
    second = s3.put("records/x.json", b"2", matching=first)
    with pytest.raises(ConflictError):
        s3.put("records/x.json", b"3", matching=first)
    assert s3.get("records/x.json").content == b"2"
    assert s3.keys("records/") == ["records/x.json"]
    s3.delete("records/x.json")
    assert s3.get("records/x.json") is None
    with pytest.raises(ConflictError):
        s3.put("records/x.json", b"3", matching=second)
