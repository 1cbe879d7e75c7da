from __future__ import annotations

from surefoot_agent.download.unpack_talk import MESSAGE_BYTES, Job, What
from surefoot_shared import pack, wire
from surefoot_shared.pack import Encoding


def test_the_largest_job_is_one_message() -> None:
    huge = 1 << 40
    job = Job(What.MEMBERS, Encoding.XZ, huge, huge, huge, pack.bitmap([], pack.MEMBERS_LIMIT))

    assert len(wire.encode(job)) < MESSAGE_BYTES
    assert wire.decode(Job, wire.encode(job)) == job
