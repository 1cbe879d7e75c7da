"""The orders of the machine, carried out: each takes the record, acts through the ports and returns what happened.

Promises: every one may run twice, and after a death at any point; whatever touches boot control, the trial or the
application from `arm` on does so under the trial lock and only after it read the verdict again, so an agent that was
frozen while the guard acted cannot switch or commit afterwards. Raises SurefootError; refuses to decide anything else.
The order inside `arm`, `commit` and `revert` is the safety argument: see the comments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from surefoot_agent import carry, guard, only_place, sight, tries
from surefoot_agent import events as e
from surefoot_agent.acceptance import proved_manifest, refuse_beyond_budget
from surefoot_agent.needed import refuse_needed
from surefoot_agent.ports import CheckResult, Say, Stepped, Suite, Wish, silent
from surefoot_agent.record import Record
from surefoot_agent.sight import Hands
from surefoot_agent.slots.kind import refuse_other_kind
from surefoot_agent.trial import Fallback, Trial, Verdict
from surefoot_agent.way_back import way_back
from surefoot_shared.errors import InstallFailed
from surefoot_shared.messages import Lease
from surefoot_shared.release import Manifest
from surefoot_shared.status import AttemptState, Outcome, SlotName, SlotState

# --- before armed: the running slot is not touched ------------------------------------------------------------------


def preflight(hands: Hands, record: Record) -> e.Event:
    """Check, before the first byte, that this node can update and go back; choose the slot."""
    wish, previous = _wish(record), hands.boot.current()
    if record.vacated:
        return e.TurnCame()  # a death came while the only place was given up: to the end with it
    if hands.boot.primary() is not previous:
        raise InstallFailed("switch_had_no_effect", "Boot control would not enter the running slot at the next start.")
    if hands.slots.installed(previous) is None and not only_place.never_had_one(hands, record):
        hint = "Check the device's disk, then give the device its release anew: `surefoot-agent enrol --release`."
        damaged = InstallFailed("slot_corrupt", f"Slot {previous.value}, the way back, is damaged.", hint)
        return e.StepFailed(Outcome.REFUSED, damaged.kind, str(damaged))
    carry.refuse_older(hands.data.kept(), wish.note.counter, wish.note.version)
    slot = previous.other
    if hands.slots.digest(slot) == wish.digest:
        return e.SlotHeld(slot, previous)
    refuse_other_kind(hands.slots.kind, wish.note.slot)
    return only_place.room_or_place(hands, wish, slot)


def download(
    hands: Hands,
    record: Record,
    lease: Lease,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
    say: Say = silent,
) -> e.Event:
    """Fill the slot; it is bad in boot control before its first byte changes."""
    wish, slot = _wish(record), _slot(record)
    refuse_needed(hands, slot)
    raw = hands.downloader.manifest(wish, lease, stop)
    manifest = proved_manifest(wish, raw, hands.slots.installed(slot.other))
    refuse_beyond_budget(hands, manifest)
    carry.check_room(hands, manifest, slot)
    hands.boot.set_state(slot, SlotState.BAD)
    hands.slots.begin(slot, manifest, raw)
    del raw  # megabytes where a release has many files
    hands.downloader.fill(wish, manifest, slot, lease, progress, stop, say)
    return e.Downloaded()


def seal(hands: Hands, record: Record) -> e.Event:
    wish, slot = _wish(record), _slot(record)
    hands.slots.seal(slot)
    if hands.slots.digest(slot) != wish.digest:
        raise InstallFailed("slot_corrupt", f"Slot {slot.value} does not hold what was assigned.")
    return e.Sealed()


def measure(hands: Hands, record: Record) -> e.Event:
    """Read the slot back once more, then record what runs now and how well, to compare the new release with."""
    if hands.shadow is not None:
        hands.shadow.stop()  # what is measured runs alone
    hands.slots.seal(_slot(record))  # it may have waited for its window for weeks, and flash rots
    manifest = _installed(hands, _slot(record))
    refuse_beyond_budget(hands, manifest)
    carry.check_room(hands, manifest, _slot(record))
    running = hands.application.running()
    activation = running.start_id if running else None
    return e.Measured(dict(hands.health.baseline(manifest)), activation, hands.clock.boot_id())


def clean(hands: Hands, record: Record) -> e.Event:
    """Empty what this attempt began to write; what it found whole stays. The running slot is never touched.

    `download` marks the slot bad before its first byte: one that is still good was refused before, and is the way back.
    """
    wish, slot, kept = _wish(record), record.slot, False
    if hands.shadow is not None:
        hands.shadow.end((wish.assignment, record.attempt))
    hands.downloader.forget()
    with hands.trials.lock():
        hands.trials.decide(wish.assignment, record.attempt, Verdict.UNHEALTHY, _reason(record))
        hands.trials.finish(wish.assignment, record.attempt)
        hands.carrier.back(hands, carry.move_of(record))
        if slot is not None and not record.previous_kept:
            if hands.boot.current() is slot:
                raise InstallFailed("switch_had_no_effect", f"Slot {slot.value} runs and cannot be emptied.")
            kept = hands.boot.state(slot) is SlotState.GOOD and hands.slots.installed(slot) is not None
            if not kept:
                hands.boot.set_state(slot, SlotState.BAD)
                hands.slots.clear(slot)
                hands.boot.set_state(slot, SlotState.EMPTY)
    return e.Cleaned(kept)


# --- the switch -------------------------------------------------------------------------------------------------------


def arm(hands: Hands, record: Record, fellows: Mapping[str, Hands] = {}) -> e.Event:
    """Trial record with its way back, then the mark, then the flip, then read it back.

    `fellows` are the hands of the device's other components: those of its set share the budget.
    """
    wish, slot = _wish(record), _slot(record)
    with hands.trials.lock():
        if hands.slots.digest(slot) != wish.digest:
            raise InstallFailed("slot_corrupt", f"Slot {slot.value} does not hold what was verified.")
        trial = hands.trials.arm(_trial(hands, record, _in_set(wish, fellows)))
        if trial.verdict is not None:
            return against(trial)
        hands.boot.set_state(slot, SlotState.BAD)
        hands.boot.arm_trial(slot)
        return e.Flipped() if hands.boot.primary() is slot else e.NotTaken()


def switch(hands: Hands, record: Record) -> e.Event:
    """Make the new slot run; one that runs already, started since the arming, is taken as is.

    Where a slot is entered by a restart of the machine, `start` does not return: the agent's next start goes on.
    """
    slot = _slot(record)
    with hands.trials.lock():
        stopped = _overruled(hands, record)
        if stopped is not None:
            return stopped
        running = hands.application.running() if hands.boot.current() is slot else None
        if running is not None and running.slot is slot and running.start_id != record.activation:
            return e.Switched(running.start_id, hands.clock.boot_id())
        if hands.boot.primary() is not slot:
            return e.NotTaken()
        hands.carrier.there(hands, carry.move_of(record))
        return e.Switched(hands.application.start(slot, _installed(hands, slot)).start_id, hands.clock.boot_id())


def look(hands: Hands, record: Record) -> e.Event | None:
    """Look at the trial and the application while on trial; None where nothing happened."""
    with hands.trials.lock():
        stopped = _overruled(hands, record)
        if stopped is not None or record.state is not AttemptState.PROBATION:
            return stopped
        running = hands.application.running()
    if running is None:
        return e.Died("The application on trial is gone.", hands.max_starts)
    if running.start_id != record.activation:
        return e.Died("The application on trial was started anew.", hands.max_starts)
    return None


def on_trial(hands: Hands, record: Record) -> Suite:
    """Return what says how the release on trial is judged on this device."""
    return hands.health.suite(_installed(hands, _slot(record)))


def condemn(hands: Hands, record: Record, verdict: e.Event) -> e.Event:
    """A failing check counts unless somebody gave a verdict before: the guard ends what was looked at."""
    with hands.trials.lock():
        return _overruled(hands, record) or verdict


def check(hands: Hands, record: Record, suite: Suite, name: str) -> Sequence[CheckResult]:
    return hands.health.run(suite, record.baseline, only={name})


# --- the two ends -----------------------------------------------------------------------------------------------------


def commit(hands: Hands, record: Record, fellows: Mapping[str, Hands] = {}) -> e.Event:
    """Boot control first, then the verdict; the journal follows. From the first mark on there is no way but forward.

    In a set its one verdict comes first: from then on every member goes forward, however often it takes.
    """
    wish, slot = _wish(record), _slot(record)
    with hands.trials.lock():
        trial = hands.trials.of(wish.assignment, record.attempt)
        if trial is not None and trial.set and trial.verdict is not Verdict.HEALTHY:
            trial, stopped = _decide_set(hands, record, trial, fellows)
            if stopped is not None:
                return stopped
        if trial is not None and trial.set and hands.boot.current() is not slot:
            _forward(hands, slot)
        issued = hands.boot.state(slot) is SlotState.GOOD
        stopped = _verdict_against(hands, trial, in_time=issued) if trial else None
        if stopped is not None:
            return stopped
        if trial is None and not issued:
            return e.Unhealthy("boot_failed", "The trial record is gone.")
        if hands.boot.current() is not slot:
            return e.CommitLost(f"Slot {slot.value} was left before its commit was done.")
        if hands.slots.digest(slot) != wish.digest:
            if trial is not None and trial.set:
                raise InstallFailed("slot_corrupt", f"Slot {slot.value} changed after its set was committed.")
            return e.Unhealthy("slot_corrupt", f"Slot {slot.value} changed while it was on trial.")
        running = hands.application.running()
        if running is None or running.slot is not slot:
            if hands.boot.capabilities().needs_restart:
                raise InstallFailed("boot_failed", f"Slot {slot.value} is not proved to be this machine's root.")
            running = hands.application.start(slot, _installed(hands, slot))
        stopped = None if issued else _finish(hands, slot)
        if stopped is not None:
            return stopped
        hands.boot.commit(slot)
        if hands.boot.primary() is not slot or hands.boot.state(slot) is not SlotState.GOOD:
            raise InstallFailed("commit_lost", "Boot control does not read back what was committed.")
        hands.trials.decide(wish.assignment, record.attempt, Verdict.HEALTHY)
        hands.carrier.commit(hands, carry.move_of(record))
    return e.CommitHeld(sight.proof_of(running, wish.digest, record.soak_s))


def _finish(hands: Hands, slot: SlotName) -> e.Event | None:
    """What a commit must do before the mark, where the component's kind has such a thing; the event where it failed."""
    try:
        if isinstance(hands.application, Stepped):
            hands.application.finish(slot)
    except InstallFailed as error:
        return e.Unhealthy(error.kind, error.message)
    return None


def _decide_set(
    hands: Hands, record: Record, trial: Trial, fellows: Mapping[str, Hands]
) -> tuple[Trial | None, e.Event | None]:
    """The one commit point of a set: its verdict, once every member is seen to stand on its new release."""
    wish, slot = _wish(record), _slot(record)
    stopped = _verdict_against(hands, trial)
    if stopped is not None:
        return trial, stopped
    others = _in_set(wish, fellows)
    digests = {name: fellow.slots.digest(fellow.boot.current()) for name, fellow in others.items()}
    digests[wish.component] = hands.slots.digest(slot) if hands.boot.current() is slot else None
    left = [name for name, digest in wish.joint.members if digests.get(name) != digest] if wish.joint else []
    if left:
        return trial, e.Unhealthy("set_broken", f"Of its set {', '.join(left)} does not stand on the new release.")
    held = hands.trials.decide(wish.assignment, record.attempt, Verdict.HEALTHY)
    return held, None if held is None else _verdict_against(hands, held)


def _forward(hands: Hands, slot: SlotName) -> None:
    """The set is committed and the old release runs: enter the new one again, by a restart where that takes one."""
    hands.boot.set_primary(slot)
    if hands.boot.current() is not slot:
        hands.application.start(slot, _installed(hands, slot))
        raise InstallFailed("commit_lost", f"Slot {slot.value} was left; its set is committed: it is entered again.")


def _in_set(wish: Wish, fellows: Mapping[str, Hands]) -> Mapping[str, Hands]:
    """The other members of its set, of all components of the device."""
    names = [name for name, _ in wish.joint.members] if wish.joint else []
    return {name: fellow for name, fellow in fellows.items() if name in names and name != wish.component}


def revert(hands: Hands, record: Record) -> e.Event:
    """Verdict, boot control, mark, start: in the guard's order, so either can finish what the other began.

    A root goes back by a restart, and the agent of the old one finishes: it runs already, so nothing is started.
    """
    with hands.trials.lock():
        if record.wish is not None:
            verdict = (Verdict.UNHEALTHY, _reason(record))
            held = hands.trials.decide(record.wish.assignment, record.attempt, *verdict)
            if held is not None and held.set and held.verdict is Verdict.HEALTHY:
                return e.SetCommitted()
        previous = _way_back(hands, record)
        manifest = None if only_place.first_install(hands, record, previous) else _installed(hands, previous)
        hands.boot.set_primary(previous)
        if record.slot not in (None, previous):
            hands.boot.set_state(_slot(record), SlotState.BAD)
        if hands.boot.primary() is not previous:
            raise InstallFailed("switch_had_no_effect", f"Boot control does not return to slot {previous.value}.")
        hands.carrier.back(hands, carry.move_of(record))
        if not _runs(hands, previous):
            if manifest is not None or hands.boot.capabilities().needs_restart:
                hands.application.start(previous, manifest)  # which stops what runs, and writes nothing in between
            else:
                hands.application.stop()
        if record.wish is not None:
            hands.trials.finish(record.wish.assignment, record.attempt)
    return e.WentBack()


def against(trial: Trial) -> e.Event:
    """The event that a verdict stored by somebody else means."""
    if trial.verdict is Verdict.GUARD:
        message = "The agent gave no verdict in time and the guard brought the old release back."
        return e.Unhealthy(trial.reason or "no_verdict", message, cause="no_verdict")
    return e.Unhealthy(trial.reason or "health_failed", "A verdict against the new release was stored.")


def _overruled(hands: Hands, record: Record) -> e.Event | None:
    trial = hands.trials.of(_wish(record).assignment, record.attempt)
    if trial is None:
        return e.Unhealthy("boot_failed", "The trial record is gone, and with it the guard's way back.")
    return _verdict_against(hands, trial)


def _runs(hands: Hands, slot: SlotName) -> bool:
    running = hands.application.running()
    return running is not None and running.slot is slot


def _verdict_against(hands: Hands, trial: Trial, in_time: bool = False) -> e.Event | None:
    """A stored verdict, or a budget that ran out: an agent that slept through it must not commit, guard or not."""
    if trial.verdict in (Verdict.UNHEALTHY, Verdict.GUARD):
        return against(trial)
    over = trial.deadline_boot_id == hands.clock.boot_id() and hands.clock.monotonic() >= trial.deadline_monotonic
    if trial.verdict is None and over and not in_time:
        message = f"No verdict within the budget of {trial.budget_s:g} s."
        return e.Unhealthy("no_verdict", message, cause="no_verdict")
    return None


def _trial(hands: Hands, record: Record, fellows: Mapping[str, Hands] = {}) -> Trial:
    wish, slot, previous = _wish(record), _slot(record), _previous(record)
    old = None if only_place.first_install(hands, record, previous) else _installed(hands, previous)
    new = _installed(hands, slot)
    spec = hands.application.spec(previous, old) if old else None
    theirs = [m for each in fellows.values() for m in map(each.slots.installed, SlotName)]  # stopped in my time too
    stops_s = sum(m.application.stop_s for m in (old, new, *theirs) if m and m.application)
    data_s = carry.seconds(hands, carry.move_of(record)) + sum(map(carry.at_most_s, fellows.values()))
    applications = [each.application for each in (hands, *fellows.values())]
    data_s += sum(each.takes_s for each in applications if isinstance(each, Stepped))
    budget_s = max(hands.guard_budget_s, *(each.guard_budget_s for each in fellows.values()), 0.0) + stops_s + data_s
    path = way_back(hands.boot, previous, hands.system)
    return Trial(
        assignment=wish.assignment,
        attempt=record.attempt,
        component=record.component,
        slot=slot.value,
        previous=previous.value,
        armed_boot_id=hands.clock.boot_id(),
        budget_s=budget_s,
        deadline_monotonic=hands.clock.monotonic() + budget_s,
        deadline_boot_id=hands.clock.boot_id(),
        max_starts=tries.ceiling(hands.max_starts),
        fallback=Fallback.of(spec) if spec else None,
        starts=0 if path.machine else 1,
        machine=path.machine,
        back=path.back,
        restart=path.restart,
        previous_mark=path.previous_mark,
        lock_wait_s=guard.LOCK_WAIT_S + stops_s + data_s,
        set=wish.joint.id if wish.joint else "",
    )


def _way_back(hands: Hands, record: Record) -> SlotName:
    """The previous slot; in a rescue without an attempt, whichever whole slot there is, the committed one first."""
    if record.previous is not None:
        return record.previous
    first = record.committed.slot if record.committed else SlotName.A
    return next((s for s in (first, first.other) if hands.slots.installed(s) is not None), first)


def _installed(hands: Hands, slot: SlotName) -> Manifest:
    manifest = hands.slots.installed(slot)
    if manifest is None:
        raise InstallFailed("slot_corrupt", f"Slot {slot.value} holds no whole release.")
    return manifest


def _reason(record: Record) -> str:
    return record.ending.reason if record.ending else "boot_failed"


def _wish(record: Record) -> Wish:
    assert record.wish is not None  # the machine orders this in states that have a wish
    return record.wish


def _slot(record: Record) -> SlotName:
    assert record.slot is not None  # chosen by preflight, kept until the attempt ends
    return record.slot


def _previous(record: Record) -> SlotName:
    assert record.previous is not None  # chosen together with the slot
    return record.previous
