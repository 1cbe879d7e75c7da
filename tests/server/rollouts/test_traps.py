"""Every trap that rollout servers were seen to fall into: a policy and a history, the decisions and their reason.

A history is lines of `verb arguments`, played in order; `tick N` lets N seconds pass. What is expected is every
decision in its order (orders to single devices left out), the rollout's state at the end and words of the last reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from surefoot_server.rollouts.table import RolloutEvent
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rollouts.world import TWO_PHASES, World, kinds

KEEP = TWO_PHASES + "on_fail: {committed_devices: keep}\n"
ONE = TWO_PHASES.replace("{name: canary, percent: 25, bake: 60s}\n  - ", "")
LENIENT = KEEP.replace("max_wait: 1h", "max_wait: 1h, objectives: [{metric: failed, fail_if_surely_above: 60%}]")
FIVE = KEEP.replace("percent: 25,", "percent: 25, min_devices: 5,")
ASKED = KEEP.replace("percent: 100,", "percent: 100, approval: {by: releaser},")
IN_PLACE = """
rollout: {strategy: recreate, recreate: {blind_time: 10m}}
gate: {max_wait: 2h, objectives: [{metric: failed, fail_if_surely_above: 50%}]}
limits: {max_unavailable: 2}
timeouts: {lost_after: 5m, asleep_after: 1m, step: 30m}
on_fail: {committed_devices: keep}
"""
SINGLE = ("Offer", "SendBack", "Activate", "Renew", "Withdraw")


@dataclass(frozen=True)
class Trap:
    name: str
    policy: str
    history: str
    decided: str
    state: str
    reason: str
    canaries: int = 3
    rest: int = 9


TRAPS = (
    # --- what completed is not what succeeded
    Trap(
        "a group in which everything has ended but too much failed does not start the next",
        KEEP,
        "tick 0; end committed c1; end failed c2 c3; tick 0; tick 60",
        "StartPhase FailPhase",
        "failed",
        "2 of 3 devices failed",
    ),
    Trap(
        "a last group that fails ends the rollout as failed, never as finished",
        ONE,
        "tick 0; end reverted c1 c2 c3; tick 0",
        "StartPhase FailPhase EndRevert",
        "failed",
        "no device had to be taken back",
        rest=0,
    ),
    Trap(
        "cancelled and refused devices are neither a success nor ignored: nothing is proved by them",
        KEEP,
        "tick 0; end refused c1 c2; tick 0; end refused c3; tick 0",
        "StartPhase HoldPhase",
        "held",
        "0 of 3 due devices have reported, 3 are needed, and such a share cannot be reached any more: 3 refused it",
    ),
    Trap(
        "where too many refused it a person is asked at once, also while others of the phase sleep",
        KEEP,
        "offline c3; tick 0; end refused c1; end committed c2; tick 0",
        "StartPhase HoldPhase",
        "held",
        "1 of 2 due devices have reported, 2 are needed, and such a share cannot be reached any more: 1 refused it",
    ),
    Trap(
        "where refusals leave nothing to decide, the policy may end it instead of asking",
        KEEP.replace("max_wait: 1h", "max_wait: 1h, on_inconclusive: fail"),
        "tick 0; end refused c1 c2 c3; tick 0",
        "StartPhase FailPhase",
        "failed",
        "inconclusive: 0 of 3 due devices have reported",
    ),
    Trap(
        "refusals that a person let pass are asked for no report any more",
        KEEP,
        "tick 0; end refused c1; end committed c2 c3; tick 0; resume; tick 0; tick 60",
        "StartPhase HoldPhase BeginBake PassPhase StartPhase",
        "running",
        "rest begins with 9 devices",
    ),
    Trap(
        "success before the switch is no success: a staged device has reported nothing",
        KEEP,
        "tick 0; state staged c1 c2 c3; tick 60",
        "StartPhase",
        "running",
        "its phase is open",
    ),
    # --- recreate: nothing is left to go back to
    Trap(
        "a device that is blind for longer than was accepted has failed, and gets back what it gave up",
        IN_PLACE,
        "tick 0; full c1 c2 c3; tick 1; vacate c1; tick 599; tick 2",
        "StartPhase TimeOut",
        "running",
        "it gave up its release and failed: the one before is fetched again",
        rest=0,
    ),
    Trap(
        "a blind device that falls silent is lost, not asleep",
        IN_PLACE,
        "tick 0; full c1 c2 c3; tick 1; vacate c1; offline c1; tick 300; tick 30",
        "StartPhase Lose",
        "running",
        "silent for 5 min",
        rest=0,
    ),
    Trap(
        "a device without a release gets the one before although the rollout is paused",
        IN_PLACE,
        "tick 0; full c1 c2 c3; tick 1; vacate c1; act pause; end reverted c1; tick 1",
        "StartPhase",
        "paused",
        "it gave up its release and reverted",
        rest=0,
    ),
    Trap(
        "nobody who kept its release is ordered back",
        IN_PLACE,
        "tick 0; full c1 c2 c3; tick 1; act pause; end failed c1; end refused c2; tick 1",
        "StartPhase",
        "paused",
        "its turn to switch came",
        rest=0,
    ),
    Trap(
        "a halt ends what is blind too, and gives it back its release",
        IN_PLACE,
        "tick 0; full c1 c2 c3; tick 1; vacate c1; act halt; tick 1",
        "StartPhase",
        "halted",
        "it gave up its release and cancelled",
        rest=0,
    ),
    # --- a pause, a halt and a person
    Trap(
        "a pause stops the group that is running from growing",
        KEEP + "limits: {max_concurrent: 1}\n",
        "tick 0; act pause; end committed c1; tick 60",
        "StartPhase",
        "paused",
        "its phase is open",
    ),
    Trap(
        "a pause does not hide a failure",
        KEEP,
        "tick 0; act pause; end reverted c1 c2; tick 0",
        "StartPhase FailPhase",
        "failed",
        "the tripwire is 2",
    ),
    Trap(
        "a halt withdraws what has not switched and offers nothing more",
        KEEP,
        "tick 0; state downloading c1; act halt; tick 0; tick 600",
        "StartPhase",
        "halted",
        "it has not switched",
    ),
    Trap(
        "resuming after a hold does not skip the phase that was held",
        LENIENT,
        "tick 0; end refused c1 c2 c3; tick 0; resume; tick 0; tick 3600",
        "StartPhase HoldPhase HoldPhase",
        "held",
        "are needed",
    ),
    Trap(
        "a person who thinks about an approval does not hide fresh failures of the phase before",
        ASKED,
        "tick 0; end committed c1 c2; offline c3; tick 61; tick 61; online c3; tick 0; end failed c3; tick 0",
        "StartPhase BeginBake PassPhase AskApproval FailPhase",
        "failed",
        "canary, which had passed, would fail now",
    ),
    Trap(
        "an approved phase begins, and only then",
        ASKED,
        "tick 0; end committed c1 c2 c3; tick 0; tick 60; tick 600; approve; tick 0",
        "StartPhase BeginBake PassPhase AskApproval StartPhase",
        "running",
        "its phase is open",
    ),
    # --- who is offline
    Trap(
        "offline devices are in no denominator and block no phase",
        KEEP,
        "offline c3; tick 0; end committed c1 c2; tick 0; tick 60",
        "StartPhase BeginBake PassPhase StartPhase",
        "running",
        "its phase is open",
    ),
    Trap(
        "one of one is not a hundred percent where five were to prove it",
        FIVE,
        "offline c2 c3; tick 0; end committed c1; tick 0; tick 60; tick 3600",
        "StartPhase BeginBake HoldPhase",
        "held",
        "are needed",
    ),
    Trap(
        "a phase of which everybody sleeps waits for a while and then for a person: no data is no pass",
        KEEP,
        "offline c1 c2 c3; tick 0; tick 3600",
        "StartPhase HoldPhase",
        "held",
        "no device has been offered it and is awake",
    ),
    Trap(
        "a sleeper of a halted rollout gets nothing when it wakes",
        KEEP,
        "offline c3; tick 0; act halt; tick 0; online c3; tick 60",
        "StartPhase",
        "halted",
        "it has not switched",
    ),
    Trap(
        "a device that wakes in a later phase is offered it late, and its failure counts there",
        KEEP,
        "offline c3; tick 0; end committed c1 c2; tick 0; tick 60; online c3; tick 0; end reverted c3 r1; tick 0",
        "StartPhase BeginBake PassPhase StartPhase FailPhase",
        "failed",
        "the tripwire is 2",
    ),
    # --- devices that others took over
    Trap(
        "a first phase that a younger rollout took over whole proves nothing: a person is asked at once",
        KEEP,
        "tick 0; claim r9 c1 c2 c3; tick 0",
        "StartPhase HoldPhase",
        "held",
        "all 3 devices of canary now belong to rollout r9, and no earlier phase has passed",
    ),
    Trap(
        "a person who lets such a phase go on is asked again, for as long as the others have it",
        KEEP,
        "claim r9 c1 c2 c3; tick 0; resume; tick 0; tick 7200",
        "StartPhase HoldPhase HoldPhase",
        "held",
        "all 3 devices of canary now belong to rollout r9",
    ),
    Trap(
        "and once the others let it go it has its turn",
        KEEP,
        "claim r9 c1 c2 c3; tick 0; claim - c1 c2 c3; resume; tick 0; end committed c1 c2 c3; tick 0; tick 60",
        "StartPhase HoldPhase BeginBake PassPhase StartPhase",
        "running",
        "its phase is open",
    ),
    Trap(
        "a phase that was taken over before it began is not offered to anybody and holds just as well",
        KEEP.replace("percent: 25,", "percent: 25, min_devices: 3,"),
        "claim r8 c1 c2; claim r9 c3; tick 0",
        "StartPhase HoldPhase",
        "held",
        "all 3 devices of canary are out of its reach: 2 to rollout r8, 1 to rollout r9",
    ),
    Trap(
        "devices taken over do not hide that their orders were ended by a person",
        KEEP,
        "tick 0; claim r9 c1; end cancelled c2; end superseded c3; tick 0",
        "StartPhase HoldPhase",
        "held",
        "1 to rollout r9, 2 had their order ended",
    ),
    Trap(
        "a policy that fails what it cannot decide does not condemn a release of which nothing was learnt",
        KEEP.replace("max_wait: 1h", "max_wait: 1h, on_inconclusive: fail"),
        "tick 0; claim r9 c1 c2 c3; tick 0",
        "StartPhase HoldPhase",
        "held",
        "now belong to rollout r9",
    ),
    Trap(
        "a rollout whose only phase was taken over never says that it succeeded",
        ONE,
        "tick 0; claim r9 c1 c2 c3; tick 0; tick 7200",
        "StartPhase HoldPhase",
        "held",
        "no earlier phase has passed",
        rest=0,
    ),
    Trap(
        "after a phase that passed, one that was taken over is passed over visibly, and the end says so",
        KEEP,
        "tick 0; end committed c1 c2 c3; tick 0; tick 60; claim r9 r1 r2 r3; tick 0",
        "StartPhase BeginBake PassPhase StartPhase CollapsePhase Finish",
        "succeeded",
        "3 of 3 devices committed it; 3 were taken over by others",
        rest=3,
    ),
    Trap(
        "a phase passed over because nobody was in it is no proof for the next",
        KEEP,
        "claim r9 r1 r2 r3; tick 0",
        "CollapsePhase StartPhase HoldPhase",
        "held",
        "all 3 devices of rest now belong to rollout r9, and no earlier phase has passed",
        canaries=0,
        rest=3,
    ),
    Trap(
        "one sleeper that nobody else wants is waited for",
        KEEP,
        "offline c3; claim r9 c1 c2; tick 0; tick 3000",
        "StartPhase",
        "running",
        "canary begins with 3 devices",
    ),
    Trap(
        "a device that sleeps within its attempt is waited for too",
        KEEP,
        "tick 0; state downloading c3; offline c3; claim r9 c1 c2; tick 400",
        "StartPhase",
        "running",
        "its phase is open",
    ),
    Trap(
        "one device that reported is evidence, however many were taken over",
        KEEP,
        "tick 0; end committed c1; claim r9 c2 c3; tick 0",
        "StartPhase BeginBake",
        "running",
        "all 1 devices that are awake have ended",
    ),
    # --- silence and timers
    Trap(
        "a bricked device gives no feedback, and that is a failure",
        KEEP,
        "tick 0; state probation c1; offline c1; tick 301",
        "StartPhase Lose FailPhase",
        "failed",
        "the tripwire is 1",
    ),
    Trap(
        "a device that sleeps before the switch is not lost, however long",
        LENIENT,
        "tick 0; state downloading c1; offline c1; end committed c2 c3; tick 86000",
        "StartPhase BeginBake",
        "running",
        "all 2 devices that are awake have ended",
    ),
    Trap(
        "a connected device that gets nowhere is ended, so nothing waits for ever",
        LENIENT,
        "tick 0; state downloading c1; end committed c2 c3; tick 600",
        "StartPhase TimeOut BeginBake",
        "running",
        "all 3 devices that are awake have ended",
    ),
    Trap(
        "a server that was down loses nobody",
        KEEP,
        "tick 0; state probation c1 c2 c3; down 7200; tick 0",
        "StartPhase",
        "running",
        "its phase is open",
    ),
    Trap(
        "silence during an outage of ours is no silence, also where the device was silent before and after",
        KEEP,
        "tick 0; state probation c1; offline c1; tick 100; down 7200; tick 190",
        "StartPhase",
        "running",
        "its phase is open",
    ),
    Trap(
        "a silent device keeps its place in the budget, so a dead site is not updated to death",
        LENIENT + "limits: {max_concurrent: 3}\n",
        "tick 0; state probation c1 c2 c3; offline c1 c2 c3; tick 301; tick 3600",
        "StartPhase Lose Lose Lose BeginBake HoldPhase",
        "held",
        "no device has committed it",
    ),
    Trap(
        "a device that operators keep from switching for days is neither failed nor lost",
        LENIENT.replace("max_wait: 1h", "max_wait: 90d"),
        "tick 0; end committed c2 c3; state staged c1; tick 590; state staged c1; tick 590; state staged c1; tick 590",
        "StartPhase",
        "running",
        "its phase is open",
    ),
    # --- what was there before
    Trap(
        "a rollout whose devices all run it already ends at once and says why",
        KEEP,
        "tick 0",
        "CollapsePhase CollapsePhase Finish",
        "succeeded",
        "every device already runs it",
        canaries=0,
        rest=0,
    ),
    Trap(
        "an empty phase is passed visibly and the next one begins",
        KEEP,
        "tick 0",
        "CollapsePhase StartPhase",
        "running",
        "its phase is open",
        canaries=0,
    ),
    Trap(
        "a clock alone advances nothing: without reports a bake of any length is no pass",
        KEEP,
        "tick 0; offline c1 c2 c3; tick 86400; tick 86400",
        "StartPhase HoldPhase",
        "held",
        "no device has been offered it and is awake",
    ),
    Trap(
        "a duplicate of an outcome decides nothing",
        KEEP,
        "tick 0; end committed c1; tick 0; end committed c1; tick 0",
        "StartPhase",
        "running",
        "its phase is open",
    ),
    Trap(
        "what ended well and is found bad later goes back, also where the rollout had succeeded",
        ONE,
        "tick 0; end committed c1 c2 c3; tick 0; tick 60; act revert; tick 0; back c1 c2 c3; tick 0",
        "StartPhase BeginBake PassPhase Finish EndRevert",
        "failed",
        "3 of 3 devices are back",
        rest=0,
    ),
)


def play(world: World, line: str) -> None:
    verb, *words = line.split()
    match verb:
        case "tick":
            world.tick(float(words[0]))
        case "end":
            world.end(Outcome(words[0]), *words[1:])
        case "state":
            for name in words[1:]:
                world.state(name, AttemptState(words[0]))
        case "act":
            world.act(RolloutEvent(words[0]))
        case "back":
            for name in words:
                world.end_revert(name)
        case "down":
            world.down(float(words[0]))
        case "resume" | "approve" | "offline" | "online" | "full" | "vacate" | "claim":
            getattr(world, verb)(*words)
        case _:
            raise AssertionError(verb)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_no_trap_catches_the_engine(trap: Trap) -> None:
    world = World(trap.policy, canaries=trap.canaries, rest=trap.rest)

    for line in trap.history.split(";"):
        play(world, line)

    listed = [decision for decision in world.log if type(decision).__name__ not in SINGLE]
    assert kinds(listed) == trap.decided.split()
    assert world.rollout.value == trap.state
    assert trap.reason in f"{listed[-1].reason} / {world.log[-1].reason}"
    assert all(decision.reason for decision in world.log)
