"""What an operator carries to a node: the agent as it is installed, `packaging/`, keys, a token and the first release.

Promises: the agent is this checkout's, built and installed as a package, its programs by the entry points that it
declares. What the operator types on the node are the lines of docs/operators-guide.md, with this site's names.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from tests.house.tree import PACKAGES, ROOT
from tests.power import debian, disk, packages
from tests.power.site import HARDWARE, Site

GUEST = Path(__file__).parent / "systemd"
DEVICE = "cam-17"
"""Named by the guide."""
TREE = "opt/surefoot"
STICK_MIB = 160
RECIPE = """
[application]
argv = ["bin/app"]
stop_s = 3.0
[[checks]]
name = "process"
kind = "process"
[[checks]]
name = "http"
kind = "http"
timeout_s = 5
params = {{ url = "http://127.0.0.1:{{metrics_port}}/healthz", status = 200 }}
[probation]
startup_s = {startup_s}
steady = 2
soak_s = 2
[data]
forward = ["bin/migrate", "up"]
backward = ["bin/migrate", "down"]
timeout_s = 60
"""
SETTINGS = """\
telemetry_interval_s = 30
heartbeat_interval_s = 10
"""


def make_stick(site: Site, folder: Path, first: Path) -> Path:
    """Make the image of the stick, with `first` as the release that the guide calls camera-1.0."""
    root, program = folder / "stick", folder / "stick" / TREE
    root.mkdir(parents=True)
    root.chmod(0o755)
    shutil.copytree(ROOT / "packaging", root / "surefoot/packaging")
    (root / "surefoot/agent/surefoot_agent").mkdir(parents=True)
    shutil.copy(PACKAGES["agent"] / "guard.py", root / "surefoot/agent/surefoot_agent")
    _install(folder, program)
    shutil.copytree(site.operator.keys / "bootstrap", root / "bootstrap")
    shutil.copytree(first, root / "camera-1.0")
    token = root / "enrol.token"
    token.write_text(site.operator.enrolment_token(1))
    (root / "10-site.toml").write_text(SETTINGS)
    for path in root.rglob("*"):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    return disk.make_filesystem(folder / "stick.img", root, STICK_MIB)


def orders(site: Site, heading: str) -> str:
    """The first lines that the operator's guide gives under a heading, with this site's names in them."""
    text = (ROOT / "docs/operators-guide.md").read_text()
    section = text.partition(f"\n{heading}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    lines = re.search(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert lines is not None, f"the guide has no lines under {heading}"
    return lines[1].replace("https://updates.example.org:8443", site.server.device_url).replace("rpi5", HARDWARE)


def write_release(folder: Path, version: str, form: int, sick: bool = False, ballast: int = 0) -> Path:
    """Lay out a release of the application whose data have this form; `ballast` is MiB that no other release has."""
    tree = folder / f"tree-{version}"
    (tree / "bin").mkdir(parents=True)
    for name in ("app", "migrate"):
        shutil.copyfile(GUEST / "app" / name, tree / "bin" / name)
        (tree / "bin" / name).chmod(0o755)
    (tree / "form").write_text(str(form))
    (tree / "version").write_text(version)
    if sick:
        (tree / "sick").touch()
    if ballast:
        (tree / "ballast").write_bytes(os.urandom(ballast << 20))
    return tree


def _install(folder: Path, program: Path) -> None:
    """What `pip install './surefoot[agent,delta]'` leaves in a new environment of the node's Python."""
    built, library = folder / "built", program / "lib/python3.11/site-packages"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    packages.run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(built), str(ROOT))
    (wheel,) = built.glob("surefoot-*.whl")
    told = [word for name in debian.PLATFORMS for word in ("--platform", name)]
    where = ["--no-index", "--find-links", str(debian.base() / "wheels"), "--target", str(library), "--no-compile"]
    asked = ["--only-binary=:all:", "--python-version", packages.PIP_VERSION, *told, f"{wheel}[agent,delta]"]
    packages.run(*pip, "install", *where, *asked)
    packages.compile_python(library, program, keep=True)
    shutil.move(library / "bin", program / "bin")
    (program / "bin/python3").symlink_to("/usr/bin/python3")
    (program / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n")
    for script in (program / "bin").iterdir():
        if not script.is_symlink():
            script.write_text(re.sub(r"\A#!.*", f"#!/{TREE}/bin/python3", script.read_text()))
