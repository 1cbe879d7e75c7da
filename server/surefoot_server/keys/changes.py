"""What a rotation changes, in words for whoever is asked to sign it: keys, thresholds, and entries of release roles.

Computed from the files themselves against what is in force here; the file's own `why` is somebody's word. Promises:
whatever differs is told. Refuses a role that lists a release which is not signed here: a release is cosigned with its
folder, where its bytes can be looked at.
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
from surefoot_shared.trust.fields import DIRECTOR, IMAGE
from surefoot_shared.trust.repository import ROLES
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
            lines += _keys(repository, _of_root(repository, before), _of_root(repository, signed))
        elif ".rel-" in name:
            component = name.split(".")[1].removeprefix("rel-")
            role = current.roles.get(component)
            lines += _entries(component, role.targets if role else {}, signed)
        else:
            lines += _keys("releases of", delegated_components(current.targets), delegated_components(signed))
    return tuple(lines)


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
        else:
            yield f"{role_name(component)}: {path} says {encode(new.custom).decode()}"
