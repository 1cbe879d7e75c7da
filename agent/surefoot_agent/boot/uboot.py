"""Boot control by variables that U-Boot or GRUB reads: Surefoot's own set, RAUC's or Mender's.

Promises: every act is one transaction, durable and read back; nothing is written where nothing changes, where the
canary is missing, or where the variables are not those of the bootloader. Reading and changing holds the trial lock, so
that agent and guard never overwrite each other. What runs is read from the kernel's command
line, so it is told even where the environment cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from surefoot_agent import durable, guard
from surefoot_agent.boot import cmdline, tool
from surefoot_agent.boot.variables import Changes, Env, Names, Variables, whose
from surefoot_agent.ports import BootTrial, Capabilities
from surefoot_shared.status import SlotName, SlotState


class Stored(Protocol):
    """Where the variables are kept: `boot/environment.py`, `boot/grub.py`."""

    title: str
    place: str
    """What an integrator corrects where it is not the bootloader's own."""

    def read(self) -> dict[str, str]: ...
    def change(self, changes: Mapping[str, str | None]) -> None: ...
    def sync(self) -> None: ...
    def commands(self, name: str, value: str) -> tuple[tuple[str, ...], ...]: ...


class UBoot:
    """BootControl port."""

    def __init__(
        self,
        component_dir: Path,
        environment: Stored,
        variables: Variables,
        names: Names,
        argument: str,
        command_line: Path = cmdline.CMDLINE,
    ) -> None:
        self._folder, self._environment, self._variables = component_dir, environment, variables
        self._names, self._argument, self._command_line = names, argument, command_line

    def current(self) -> SlotName:
        return cmdline.current_slot(self._argument, self._names, self._command_line)

    def primary(self) -> SlotName:
        return self._variables.primary(self._read())

    def set_primary(self, slot: SlotName) -> None:
        self._change(lambda env: self._variables.entered(env, slot))

    def state(self, slot: SlotName) -> SlotState:
        return self._variables.state(self._read(), slot)

    def set_state(self, slot: SlotName, state: SlotState) -> None:
        self._change(lambda env: self._variables.marked(env, slot, state))

    def arm_trial(self, slot: SlotName) -> None:
        self._change(lambda env: self._variables.armed(env, slot))

    def trial(self) -> BootTrial:
        return self._variables.trial(self._read())

    def commit(self, slot: SlotName) -> None:
        self._change(lambda env: self._variables.entered(env, slot, SlotState.GOOD))

    def capabilities(self) -> Capabilities:
        return self._variables.capabilities()

    def way_back(self, slot: SlotName) -> tuple[tuple[str, ...], ...]:
        """Take every start from the other slot, in one transaction: the bootloader then gives it up by itself."""
        return self._environment.commands(*self._variables.given_up(slot.other))

    def _read(self) -> Env:
        """Read the environment. Raises InstallFailed where it is not the one that the bootloader reads."""
        env = self._environment.read()
        problem = self._variables.problem(env) if env else "no copy of it is whole"
        if problem is not None:
            theirs = whose(env)
            hint = f"Correct {self._environment.place}. Nothing was written."
            if theirs:
                hint = f'It has {theirs[0]}: set boot_variables = "{theirs[1]}". Nothing was written.'
            raise tool.failed(f"This is not {self._environment.title}: {problem}.", hint)
        return env

    def _change(self, wanted: Callable[[Env], Changes]) -> None:
        durable.make_folder(self._folder)
        with guard.trial_lock(self._folder):
            env = self._read()
            new = {name: value for name, value in wanted(env).items() if env.get(name) != value}
            if new:
                self._environment.change(new)
            else:
                self._environment.sync()
