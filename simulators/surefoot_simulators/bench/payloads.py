"""The payloads that downloads are measured on: real wheels at stated versions, an application and a model.

Promises: the same versions give the same trees, on every machine that reaches a package index once; wheels are kept in
`$SUREFOOT_BENCH_CACHE` (default ~/.cache/surefoot-bench). The model and the application's own code are made here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64")
COMMON = (
    "pyclipper==1.3.0.post6",
    "shapely==2.1.2",
    "pyyaml==6.0.3",
    "tqdm==4.67.1",
    "omegaconf==2.3.0",
    "requests==2.32.5",
    "colorlog==6.10.1",
    "six==1.17.0",
    "protobuf==6.33.0",
    "flatbuffers==25.9.23",
    "sympy==1.14.0",
    "mpmath==1.3.0",
    "packaging==25.0",
)
MODULES = 60
MODEL_FLOATS = 2_000_000
"""8 MB of weights, which no compression helps."""


@dataclass(frozen=True)
class Payload:
    """Wheels beside the common ones, and which state of application and model."""

    wheels: Mapping[str, str]
    code: int = 0
    model: int = 0


BEFORE = Payload(
    {
        "onnxruntime": "1.23.1",
        "rapidocr": "3.4.2",
        "numpy": "2.2.6",
        "opencv-python-headless": "4.12.0.88",
        "pillow": "11.3.0",
    }
)
AFTER = {
    "patch release": Payload({**BEFORE.wheels, "onnxruntime": "1.23.2", "rapidocr": "3.4.3"}, code=1),
    "minor release": Payload(
        {
            **BEFORE.wheels,
            "onnxruntime": "1.24.1",
            "numpy": "2.3.5",
            "opencv-python-headless": "4.13.0.90",
            "pillow": "12.0.0",
        },
        code=1,
        model=1,
    ),
    "model only": Payload(BEFORE.wheels, model=1),
    "code only": Payload(BEFORE.wheels, code=1),
}


def cache() -> Path:
    return Path(os.environ.get("SUREFOOT_BENCH_CACHE") or Path.home() / ".cache/surefoot-bench")


def make_tree(payload: Payload, folder: Path) -> Path:
    """Write the tree of a payload into a new folder."""
    wanted = [*COMMON, *(f"{name}=={version}" for name, version in payload.wheels.items())]
    for wheel in wheels(wanted):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "site")  # a wheel of a stated version, into a scratch folder
    _write_code(folder / "app", payload.code)
    (folder / "model.bin").write_bytes(_model(payload.model))
    return folder


def wheels(wanted: Sequence[str]) -> list[Path]:
    """The files of these wheels, downloaded where they are not kept yet."""
    return [_kept(one) or _download(one) for one in wanted]


def _kept(wanted: str) -> Path | None:
    name, _, version = wanted.partition("==")
    found = cache().glob(f"{name.replace('-', '_')}-{version}-*.whl")
    return next(iter(sorted(found)), None)


def _download(wanted: str) -> Path:
    cache().mkdir(parents=True, exist_ok=True)
    platforms = [part for name in PLATFORMS for part in ("--platform", name)]
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *platforms]
    subprocess.run([*argv, "--python-version", "3.11", "--dest", str(cache()), wanted], check=True)
    kept = _kept(wanted)
    if kept is None:
        raise FileNotFoundError(f"the wheel of {wanted} is not in {cache()}")
    return kept


def _write_code(folder: Path, state: int) -> None:
    """Modules of an application; in the later state a sixth of them differs in a few lines."""
    folder.mkdir(parents=True)
    for number in range(MODULES):
        lines = [
            f"def step_{number}_{n}(frame, scale={n}):\n    return frame.resize(scale * {number + n})\n"
            for n in range(80)
        ]
        if state and number % 6 == 0:
            lines[10] = f"def step_{number}_10(frame, scale=10, strict=True):\n    return frame.crop({number})\n"
            lines.insert(40, f"LIMIT_{number} = {number * 7 + state}\n")
        (folder / f"module_{number}.py").write_text("\n".join(lines))


def _model(state: int) -> bytes:
    """Weights of a network; trained further, each moved a little."""
    weights = np.random.default_rng(1).normal(0, 0.1, MODEL_FLOATS)
    if state:
        weights += np.random.default_rng(2).normal(0, 0.001, MODEL_FLOATS)
    return weights.astype("<f4").tobytes()
