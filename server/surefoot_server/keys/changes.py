"""What a rotation changes, in words for whoever is asked to sign it: keys, thresholds, and entries of release roles.

Computed from the files themselves against what is in force here; the file's own `why` is somebody's word. Promises:
whatever differs is told, and its dates (`dates_of`). Refuses a role that lists a release which is not signed here: a
release is cosigned with its folder, where its bytes can be looked at. Refuses what none of these lines could tell, as
a release that the top level lists itself, or a component's role that hands its releases on to another key: a file is
made anew from what was told of it, and must be the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuf.api.metadata import Root, TargetFile, Targets

from surefoot_server.keys.ceremony import read_signed
from surefoot_server.keys.offline import delegated_components
from surefoot_server.keys.rotation import Current, halt_keys, key_role_of, keys_in
from surefoot_server.keys.signers import name_of
from surefoot_shared.errors import UntrustedRelease
from surefoot_shared.release import role_name
from surefoot_shared.trust.clock import format_time, parse_time
from surefoot_shared.trust.fields import DIRECTOR, IMAGE, X_FLEET, X_SIGNED_AT
from surefoot_shared.trust.repository import ROLES, build_release_role, build_root, build_targets
from surefoot_shared.trust.signing import RoleKeys
from surefoot_shared.wire import encode


def changes_of(current: Current, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return one line for each difference. Raises UntrustedRelease where a role would release something."""
    lines: list[str] = []
    for name, raw in sorted(files.items()):
        signed = read_signed(raw).signed
        key_role_of(name)  # refuses what is no file of a rotation
        if isinstance(signed, Root):
            repository = name.partition("/")[0]
            before = current.image if repository == IMAGE else current.director
            _refuse_unsaid(name, signed, _root_again(repository, before, signed))
            lines += _keys(repository, _of_root(repository, before), _of_root(repository, signed))
        elif ".rel-" in name:
            component = name.split(".")[1].removeprefix("rel-")
            role = current.roles.get(component)
            refuse_more_than_entries(name, signed)
            lines += _entries(component, role.targets if role else {}, signed)
        else:
            again = build_targets(signed.version, signed.expires, delegated_components(signed))
            _refuse_unsaid(name, signed, again)
            lines += _keys("releases of", delegated_components(current.targets), delegated_components(signed))
    return tuple(lines)


def dates_of(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return one line for each file: until when it counts, and the time that a root tells devices with a lost clock."""
    lines = []
    for name, raw in sorted(files.items()):
        signed = read_signed(raw).signed
        dated = signed.unrecognized_fields.get(X_SIGNED_AT)
        lines.append(f"{name}: until {format_time(signed.expires)}" + (f", dated {dated}" if dated else ""))
    return tuple(lines)


def refuse_more_than_entries(name: str, role: Targets) -> None:
    """A component's role lists and does nothing else. Raises UntrustedRelease."""
    _refuse_unsaid(name, role, build_release_role(role.version, role.expires, role.targets.values()))


def demands(before: Mapping[str, TargetFile], after: Mapping[str, TargetFile]) -> tuple[str, ...]:
    """Policies and permits that a role has and had not, or not so, each with all it says."""
    return tuple(
        f"{path} says {encode(new.custom).decode()}"
        for path, new in sorted(after.items())
        if not path.startswith("releases/") and before.get(path) != new
    )


def _refuse_unsaid(name: str, signed: Root | Targets, again: Root | Targets) -> None:
    told, all_of_it = again.to_dict(), signed.to_dict()
    told["spec_version"] = all_of_it["spec_version"]  # the makers' machines may have other releases of python-tuf
    if told != all_of_it:
        hint = "Ask who made this file; do not sign."
        raise UntrustedRelease("metadata_untrusted", f"{name} holds more than can be shown here.", hint)


def _root_again(repository: str, before: Root, root: Root) -> Root:
    at = parse_time(root.unrecognized_fields.get(X_SIGNED_AT))
    if at is None or root.roles.keys() != set(ROLES):
        raise UntrustedRelease("metadata_untrusted", f"The new root of {repository} is no root of ours.")
    fleet = str(before.unrecognized_fields.get(X_FLEET, ""))
    roles = {role: keys_in(root, role) for role in ROLES}
    halt = halt_keys(root) if repository == DIRECTOR else None
    return build_root(repository, fleet, root.version, at, root.expires, roles, halt)


def _of_root(repository: str, root: Root) -> dict[str, RoleKeys]:
    found = {role: keys_in(root, role) for role in ROLES}
    return {**found, "halt": halt_keys(root)} if repository == DIRECTOR else found


def _keys(what: str, before: Mapping[str, RoleKeys], after: Mapping[str, RoleKeys]) -> Iterator[str]:
    for role in sorted(before.keys() | after.keys()):
        old, new = before.get(role, RoleKeys(())), after.get(role, RoleKeys(()))
        for word, names in (("adds", _names(new, old)), ("takes away", _names(old, new))):
            if names:
                yield f"{what} {role}: {word} {', '.join(names)}"
        if old.threshold != new.threshold:
            yield f"{what} {role}: {new.threshold} of {len(new.keys)} must sign, instead of {old.threshold}"


def _names(keys: RoleKeys, others: RoleKeys) -> list[str]:
    """Names are their makers' choice, so the beginning of the id stands beside them."""
    known = {key.keyid for key in others.keys}
    return [f"{name_of(key)} ({key.keyid[:10]})" for key in keys.keys if key.keyid not in known]


def _entries(component: str, before: Mapping[str, TargetFile], signed: Targets) -> Iterator[str]:
    after = signed.targets
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        if new is None:
            yield f"{role_name(component)}: takes away {path}"
        elif path.startswith("releases/"):
            hint = "A release is signed with its folder at hand: surefoot release cosign OUT --keys DIR."
            message = f"The new role of {component} releases {path}, which is not signed here."
            raise UntrustedRelease("target_mismatch", message, hint)
    for line in demands(before, after):
        yield f"{role_name(component)}: {line}"
