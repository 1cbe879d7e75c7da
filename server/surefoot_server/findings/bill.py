"""A release's bill of materials: CycloneDX 1.4 to 1.6 as JSON becomes a list of parts that can be looked up; pure.

Promises: every part of the document is counted, also one that cannot be looked up; a Debian package is looked up under
its source package, since advisories are about those. Refuses what is not CycloneDX, and a bill without parts: no data
is never a pass. Sources: CycloneDX 1.6; package-url; OSV's list of ecosystems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

from surefoot_shared import wire
from surefoot_shared.errors import Invalid

LIMIT_BYTES = 64 * 1024 * 1024
"""About 50,000 parts as generators write them."""
VERSIONS = ("1.4", "1.5", "1.6")
PYPI, DEBIAN = "PyPI", "Debian"
CODENAMES = {"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14"}
PURL = re.compile(r"pkg:/*(?P<type>[A-Za-z0-9.+-]+)/(?P<path>[^?#]+)(?:\?(?P<qualifiers>[^#]*))?(?:#.*)?")
HINT = "Make it with a generator of CycloneDX, such as syft -o cyclonedx-json or cyclonedx-py."


@dataclass(frozen=True)
class Component:
    """One entry of the document, as far as it is read; entries may hold entries."""

    name: str
    type: str = "library"
    version: str | None = None
    purl: str | None = None
    components: tuple[Component, ...] = ()


@dataclass(frozen=True)
class Document:
    bomFormat: str
    specVersion: str
    components: tuple[Component, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `ecosystem` and `package` say where to look it up; empty where no advisories are known for its kind."""

    name: str
    version: str
    purl: str
    ecosystem: str
    package: str


def parse(raw: bytes) -> tuple[Part, ...]:
    """Read a bill; raises Invalid (sbom_malformed) saying what is wrong with it."""
    try:
        document = wire.decode(Document, raw, LIMIT_BYTES)
    except Invalid as error:
        raise Invalid("sbom_malformed", f"The bill of materials cannot be read: {error.message}", HINT) from error
    if document.bomFormat != "CycloneDX" or document.specVersion not in VERSIONS:
        said = f"{document.bomFormat} {document.specVersion}"[:60]
        wanted = f"CycloneDX {', '.join(VERSIONS)}"
        raise Invalid("sbom_malformed", f"The bill of materials is {said}; {wanted} are read.", HINT)
    found = tuple(dict.fromkeys(_part(each) for each in _walk(document.components)))
    if not found:
        raise Invalid("sbom_malformed", "The bill of materials lists no parts.", HINT)
    return found


def _walk(components: tuple[Component, ...]) -> Iterator[Component]:
    for each in components:
        yield each
        yield from _walk(each.components)


def _part(component: Component) -> Part:
    found = PURL.fullmatch(component.purl or "")
    version, purl = component.version or "", component.purl or ""
    plain = Part(component.name, version, purl, "", "")
    if found is None:
        return plain
    path, _, stated = found["path"].rpartition("@") if "@" in found["path"] else (found["path"], "", "")
    names = [unquote(name) for name in path.strip("/").split("/")]
    version = unquote(stated) or version
    if found["type"].lower() == "pypi" and version:
        return Part(component.name, version, purl, PYPI, normal_name(names[-1]))
    if found["type"].lower() == "deb" and names[0] == "debian" and version:
        return _debian(component.name, version, purl, names[-1], parse_qs(found["qualifiers"] or ""))
    return plain


def _debian(name: str, version: str, purl: str, package: str, qualifiers: dict[str, list[str]]) -> Part:
    """`upstream` names the source package, with its version where that differs; `distro` the release of Debian."""
    distro = qualifiers.get("distro", [""])[0].removeprefix("debian-").partition(".")[0]
    release = CODENAMES.get(distro, distro)
    if not release.isdecimal():
        return Part(name, version, purl, "", "")
    if (epoch := qualifiers.get("epoch", [""])[0]) and ":" not in version:
        version = f"{epoch}:{version}"
    source, _, stated = qualifiers.get("upstream", [package])[0].partition("@")
    return Part(name, stated or version, purl, f"{DEBIAN}:{release}", source)


def normal_name(name: str) -> str:
    """PyPI's rule (PEP 503): case, dashes, dots and underscores make no difference."""
    return re.sub(r"[-_.]+", "-", name).lower()
