"""Every failure has a family (who must act), a stable kind (for machines), one sentence and one hint.

Errors never log themselves; whoever handles one logs it once. `KINDS` is the registry behind docs/reference/errors.md.
"""

from __future__ import annotations

from dataclasses import dataclass


class SurefootError(Exception):
    """The root. `kind` is stable and listed in KINDS; `message` is one sentence; `hint` says what to do."""

    who = "us"

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint or (KINDS[kind].hint if kind in KINDS else "")

    def __str__(self) -> str:
        return f"{self.message} [{self.kind}]" + (f" {self.hint}" if self.hint else "")


class ConfigError(SurefootError):
    """The operator must act: a setting, a file or a command is wrong."""

    who = "operator"


class UntrustedRelease(SurefootError):
    """The publisher must act: signatures, thresholds, hardware or floors do not allow this."""

    who = "publisher"


class Unreachable(SurefootError):
    """The network failed; the only family that is retried."""

    who = "network"

    def __init__(self, kind: str, message: str, hint: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(kind, message, hint)
        self.retry_after_s = retry_after_s


class InstallFailed(SurefootError):
    """The device could not install or run the release; the kind says at which step."""

    who = "device"


class NotFound(SurefootError):
    who = "operator"


class NotAllowed(SurefootError):
    who = "operator"


class Conflict(SurefootError):
    """The state of the thing does not allow the act (a refused rollout is a Conflict with the reason)."""

    who = "operator"


class Invalid(SurefootError):
    """Malformed input: a message, a file or a request that cannot be parsed."""

    who = "operator"


@dataclass(frozen=True)
class Kind:
    """One row of the registry: who must act and what they should do."""

    who: str
    hint: str


KINDS: dict[str, Kind] = {
    # the operator
    "config_unreadable": Kind("operator", "Fix the file; `surefoot-agent check` tests it without starting anything."),
    "config_unknown_key": Kind("operator", "Remove or correct the key; docs/settings.md lists every key."),
    "config_invalid": Kind("operator", "Correct the value; docs/settings.md lists its range and unit."),
    "already_running": Kind("operator", "Stop the other process first, or give this one its own state directory."),
    "port_in_use": Kind("operator", "Stop the program that holds the port, or choose another."),
    "not_enrolled": Kind("operator", "Run `surefoot-agent enrol` first."),
    "not_found": Kind("operator", "Check the name; the matching `list` command shows what exists."),
    "wrong_method": Kind("operator", "GET /api/v1/openapi.json lists what each address takes."),
    "not_allowed": Kind("operator", "Use a token whose role allows this."),
    "conflict": Kind("operator", "Look at the current state first, then decide."),
    "malformed": Kind("operator", "Correct the input and send it again."),
    "key_missing": Kind("operator", "Make keys with `surefoot keys init`, or point to the folder that holds them."),
    "key_permissions": Kind("operator", "Make the key file readable by its owner only: chmod 600."),
    "identity_conflict": Kind("operator", "Two agents use one identity: enrol one of them under its own device id."),
    "enrolment_refused": Kind("operator", "Make a new enrolment token with `surefoot enrol-token create`."),
    "enrolment_pending": Kind("operator", "Approve the device on the server, then run the same command again."),
    "not_signed_in": Kind("operator", "Pass a valid API token."),
    "signature_missing": Kind(
        "operator", "Let the other system sign as Standard Webhooks says; docs/api.md shows how."
    ),
    "signature_wrong": Kind(
        "operator", "Give the other system the secret of this hook, and let it sign the bytes that it sends."
    ),
    "signature_stale": Kind("operator", "Set both clocks right, and sign anew at each try."),
    "too_large": Kind("operator", "Send less, or raise the limit in the server's settings."),
    "internal": Kind("us", "Look at the log, and report it."),
    # the publisher
    "metadata_expired": Kind("publisher", "Connect the device to the server, or sign fresh metadata."),
    "metadata_untrusted": Kind("publisher", "Sign with the keys that the device's root lists."),
    "signatures_missing": Kind(
        "publisher", "Let the others sign: `surefoot release cosign` or `surefoot keys cosign`."
    ),
    "metadata_rollback": Kind("publisher", "Serve metadata at least as new as the device has seen."),
    "bundle_malformed": Kind("publisher", "Serve the bundle as `surefoot` made it."),
    "wrong_device": Kind("publisher", "Serve each device the bundle made for it."),
    "wrong_repository": Kind("publisher", "Serve each repository's own files."),
    "wrong_hardware": Kind("publisher", "Build and sign the release for this hardware, or exclude the device."),
    "not_released": Kind("publisher", "Sign and publish the release before assigning it."),
    "target_mismatch": Kind("publisher", "Assign the digest that the release keys signed."),
    "below_svn_floor": Kind("publisher", "Sign a release with the required security version, or a permit."),
    "stale_metadata": Kind("operator", "Look whether the device reaches the server, and whether the server signs."),
    "old_release_role": Kind("publisher", "Sign the component's release role anew: `surefoot release sign`."),
    "below_counter": Kind("publisher", "Assign it as a downgrade, which is audited."),
    "duplicate_assignment": Kind("publisher", "Assign one release to a component."),
    "manifest_malformed": Kind("publisher", "Build the release again."),
    "not_signed": Kind(
        "operator", "Look at the server's log and at its keys: `surefoot keys show`; it tries again by itself."
    ),
    "halted": Kind("operator", "The release is on the halt list; lift it with `surefoot rollout resume`."),
    # the network
    "unreachable": Kind("network", "Nothing to do: the device tries again by itself."),
    "busy": Kind("network", "Nothing to do: the server asked to come back later."),
    "too_many": Kind("network", "Wait as long as the answer says, then try again."),
    "lease_expired": Kind("network", "Nothing to do: the device asks the server for a new lease by itself."),
    "too_slow": Kind("network", "Check the uplink of the site."),
    # the device
    "no_space": Kind("device", "Free space on the device's data partition, or publish a smaller release."),
    "artifact_corrupt": Kind("device", "Publish the release again; what was fetched does not match its signed hash."),
    "sbom_malformed": Kind(
        "publisher", "Make the bill of materials with a generator of CycloneDX 1.4 to 1.6, as JSON."
    ),
    "provenance_unfit": Kind(
        "publisher", "Give the in-toto statement with an SLSA predicate whose subject is this release's digest."
    ),
    "artifact_missing": Kind("device", "Publish the release again; the server does not have one of its files."),
    "slot_write_failed": Kind("device", "Check the device's disk."),
    "slot_corrupt": Kind("device", "Check the device's disk: what was written does not read back."),
    "slot_missing": Kind("device", "Check the component's slot_a and slot_b in the device's settings, and its disk."),
    "slot_in_use": Kind("device", "Unmount it, or correct the component's slot_a and slot_b in the device's settings."),
    "wrong_slot_kind": Kind("publisher", "Assign a release of the kind that the device's settings give the component."),
    "switch_had_no_effect": Kind("device", "Check the boot control of this board with `surefoot-agent check`."),
    "boot_control_failed": Kind(
        "device", "Run `surefoot-agent check`; docs/boot-control.md says what each way of booting needs."
    ),
    "restart_failed": Kind("device", "Look why its init does not restart it: `systemctl list-jobs`, its log."),
    "module_invalid": Kind("publisher", "Build the release anew; docs/modules.md shows what it must hold."),
    "module_failed": Kind("device", "Look at the module's last lines in the revert report."),
    "rauc_failed": Kind("device", "Look at RAUC's own log: `journalctl -u rauc`."),
    "boot_failed": Kind("device", "Look at the application's log in the revert report."),
    "no_verdict": Kind("device", "The agent gave no verdict in time and the guard brought the old release back."),
    "health_failed": Kind("device", "Look at the failing check in the revert report."),
    "migration_failed": Kind("device", "Look at the migration's last lines in the application's log."),
    "data_not_kept": Kind("device", "Check the device's data partition: the data could not be copied or put back."),
    "data_irreversible": Kind("operator", "Publish a newer release: the data were changed for good."),
    "helper_unreachable": Kind("device", "Start surefoot-helper on the device; the guard acts without it."),
    "shadow_harmed": Kind("operator", "Shadow it where there is room for both; the live release came first."),
    "shadow_died": Kind("publisher", "Look at the shadow's log on the device: it ended, or never processed a frame."),
    "shadow_unaware": Kind("publisher", "Teach it SUREFOOT_SHADOW, then say shadow = true in its [application]."),
    "shadow_unmeasured": Kind("publisher", "Let the live release expose camera_fps, so that harm to it can be seen."),
    "commit_lost": Kind("device", "Check the boot control of this board with `surefoot-agent check`."),
    "too_many_tries": Kind("device", "Look at the restart causes in the revert report."),
    "window_over": Kind("operator", "Give the assignment windows that are still to come."),
    "check_not_run": Kind("device", "Make the program executable, or take it out of the device's required.d."),
    "probation_too_long": Kind("publisher", "Shorten the release's probation, or raise guard_budget_s on the device."),
    "reverted_by_order": Kind("operator", "Nothing to do: the server or a person ordered it."),
    "cancelled_by_order": Kind("operator", "Nothing to do: the assignment was withdrawn."),
    "set_incomplete": Kind("operator", "Assign every member of the set to the device, in one rollout."),
    "set_broken": Kind("operator", "See why the other member of the set failed; nothing of the set runs."),
    "superseded": Kind("operator", "Nothing to do: a newer assignment took its place."),
    "step_timeout": Kind("device", "It was connected and made no progress: look at its log and its free space."),
    "journal_unreadable": Kind(
        "device", "What runs goes on; docs/operators-guide.md, *A device that cannot remember*, shows the way out."
    ),
    "lost": Kind("device", "The device went silent after the switch: visit it, or wait for the guard."),
}
