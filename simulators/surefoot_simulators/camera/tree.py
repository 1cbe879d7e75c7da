"""Lay out a release of the camera application: a self-contained tree, and the recipe that says how it is judged.

Promises: the tree needs only a `python3` with numpy on the PATH of the device, nothing of this package; running it
writes nothing into it, so a sealed slot stays as it was sealed. Two calls with the same arguments write the same bytes.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_simulators.camera import app, frames, meter, scene, settings, source, tracking, vision
from surefoot_simulators.camera.settings import Settings, write_settings

MODULES = (app, frames, meter, scene, settings, source, tracking, vision)
SCRIPT = '''#!/usr/bin/env python3
"""Start the camera counting application from the tree that this file is in."""

import os
import sys
from pathlib import Path

# One thread is enough for 160 x 120 pixels; and a slot that was verified must stay as it is: no byte code in it.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.dont_write_bytecode = True
tree = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(tree / "lib"))

from camera_app.app import main

sys.exit(main(tree))
'''
RECIPE = """\
[application]
argv = ["bin/camera-app"]
stop_s = 3.0
shadow = true

[[checks]]
name = "process"
kind = "process"

[[checks]]
name = "http"
kind = "http"
k = 2
n = 3
[checks.params]
url = "http://127.0.0.1:{metrics_port}/healthz"
status = 200

[[checks]]
name = "camera"
kind = "camera"
k = 2
n = 3
[checks.params]
url = "http://127.0.0.1:{metrics_port}/metrics"
min_fps = 5.0
max_frame_age_s = 2.0
max_frozen_ratio = 0.5

[probation]
startup_s = 15.0
steady = 3
soak_s = %(soak_s)s
"""


@dataclass(frozen=True)
class Faults:
    """What a release does wrong, for rehearsals."""

    freeze_after_s: float = 0.0
    freeze_on_hw: str = ""
    black_after_s: float = 0.0
    dead_stream: int = -1
    restarts_survived: int = -1


def write_camera_tree(folder: Path, version: str, faults: Faults = Faults(), streams: int = 1) -> None:
    """Write the release tree of `version` into `folder`, which must not exist or be empty."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    package = folder / "lib" / "camera_app"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""The camera counting application."""\n')
    for module in MODULES:
        assert module.__file__ is not None  # a module of ours always has a file
        shutil.copyfile(module.__file__, package / Path(module.__file__).name)
    script = folder / "bin" / "camera-app"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    script.chmod(0o755)
    write_settings(folder, Settings(version, streams=streams, **dataclasses.asdict(faults)))


def write_recipe(file: Path, soak_s: float = 10.0) -> None:
    """Write `release.toml`: how the application is started, checked, and how long its probation lasts."""
    file.write_text(RECIPE % {"soak_s": soak_s})


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m surefoot_simulators.camera.tree FOLDER --version 1.1`: write the tree and, beside it, its recipe."""
    parser = argparse.ArgumentParser(prog="python -m surefoot_simulators.camera.tree", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where the tree goes; FOLDER.toml gets the recipe")
    parser.add_argument("--version", required=True)
    parser.add_argument("--freeze-after-s", type=float, default=0.0, help="a fault: frames freeze after so long")
    parser.add_argument("--freeze-on-hw", default="", help="the hardware on which they freeze")
    parser.add_argument("--soak-s", type=float, default=10.0)
    given = parser.parse_args(arguments)
    write_camera_tree(given.folder, given.version, Faults(given.freeze_after_s, given.freeze_on_hw))
    write_recipe(given.folder.with_name(given.folder.name + ".toml"), given.soak_s)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
