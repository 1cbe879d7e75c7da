"""What a policy would do to a fleet: the rollout engine in virtual time over modelled devices. Pure.

`assumed` is what a person expects of the devices and of the release, `people` who is in which phase, `draws` one
possible course of every device, `course` plays it by asking the server's own engine, `summary` says what many courses
have in common, `answer` how that is told. The planner, the engine and the judge are the server's; nothing of them is
written twice.
"""
