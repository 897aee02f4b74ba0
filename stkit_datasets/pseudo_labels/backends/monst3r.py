"""MonST3R, run as a program in a user's own checkout, and what it writes read back.

MonST3R (https://github.com/Junyi42/monst3r) is under CC BY-NC-SA 4.0 and on no package index. Its
``demo.py`` reconstructs a folder of pictures with settings that are written into it; they are
compared with the papers' before it is run. The formats are those of commit 574cc77.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.geometry import rotation_matrices
from stkit_datasets.pseudo_labels.backends import Context
from stkit_datasets.pseudo_labels.interfaces import FloatArray, Geometry, Maps, VideoClip

SETTINGS: Mapping[str, object] = {
    "scenegraph_type": "swinstride",
    "winsize": 5,
    "temporal_smoothing_weight": 0.01,
    "translation_weight": "1.0",
    "flow_loss_weight": 0.01,
    "flow_loss_start_iter": 0.1,
    "flow_loss_threshold": 25,
    "niter": 300,
    "schedule": "linear",
}
"""The papers' settings [P2 A.1] under the names that ``demo.py`` gives them. With ``swinstride``
it makes the scene graph ``swinstride-5-noncyclic``."""
LEARNING_RATE = 0.01
_SEQUENCE = "clip"
_LAST_LINES = 5


@dataclass(frozen=True)
class Monst3rOptions:
    """How MonST3R is run.

    Attributes:
        checkout: the folder with its ``demo.py``.
        python: the interpreter of the environment it was installed in.
        weights: a checkpoint; None for the checkout's own default.
        weights_sha256: what the checkpoint must hash to, in hexadecimal; needs ``weights``.
        image_size: the longer side of the pictures it works on.
        timeout_s: a clip that takes longer is given up.
        check_settings: refuse a checkout whose settings are not the papers'.
    """

    checkout: str | Path
    python: str = sys.executable
    weights: str | None = None
    weights_sha256: str | None = None
    image_size: int = 512
    timeout_s: float = 3600.0
    check_settings: bool = True


class Monst3r:
    """See ``GeometryBackend``. Depth and poses are in the clip's own unit, without a scale."""

    Options = Monst3rOptions

    def __init__(self, options: Monst3rOptions, device: str = "cuda") -> None:
        self._options = options
        self._device = device
        self._checkout = Path(options.checkout).resolve()
        if options.check_settings:
            check_settings(self._checkout / "demo.py")
        self.name = f"monst3r@{_commit(self._checkout) or 'unknown'}"
        if options.weights_sha256 is not None:
            check_weights(self._checkout, options.weights, options.weights_sha256)
            self.name += f":weights@{options.weights_sha256[:16].lower()}"

    @classmethod
    def open(cls, options: Monst3rOptions, context: Context) -> Self:
        """Check the checkout; nothing is loaded before a clip comes."""
        return cls(options, "cuda" if context.device == "auto" else context.device)

    def estimate(self, clip: VideoClip) -> Geometry:
        """Run ``demo.py`` on the clip's pictures and read what it wrote.

        Raises:
            SourceError: it failed, or what it wrote is not as expected.
        """
        with tempfile.TemporaryDirectory(prefix="stkit-monst3r-") as folder:
            pictures, out = Path(folder, "pictures"), Path(folder, "out")
            _write_pictures(pictures, clip)
            self._run(pictures, out)
            return read_output(out / _SEQUENCE, clip, self._options.image_size)

    def _run(self, pictures: Path, out: Path) -> None:
        options = self._options
        command = [options.python, "demo.py", "--silent", "--input_dir", str(pictures)]
        command += ["--output_dir", str(out), "--seq_name", _SEQUENCE, "--device", self._device]
        command += ["--image_size", str(options.image_size)]
        command += [] if options.weights is None else ["--weights", options.weights]
        try:
            done = subprocess.run(
                command, cwd=self._checkout, capture_output=True, timeout=options.timeout_s
            )
        except subprocess.TimeoutExpired as error:
            rule = f"demo.py took more than {options.timeout_s:g} s"
            raise SourceError(self._checkout, rule) from error
        except OSError as error:
            raise SourceError(self._checkout, f"demo.py could not be run: {error}") from error
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()[-_LAST_LINES:]
            said = " | ".join(lines)
            rule = f"demo.py ended with status {done.returncode}: {said}"
            raise SourceError(self._checkout, rule)


def check_weights(checkout: Path, weights: str | None, sha256: str) -> None:
    """Compare a checkpoint with what it must hash to.

    Raises:
        ConfigError: no checkpoint is named, it is not there, or it is another one.
    """
    if weights is None:
        raise ConfigError("weights_sha256 needs the file: --option geometry.weights=FILE")
    path = checkout / weights
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: expected a checkpoint of MonST3R: {error}") from error
    if found != sha256.lower():
        raise ConfigError(f"{path}: its SHA-256 is {found}, expected {sha256.lower()}")


def check_settings(demo: Path) -> None:
    """Compare the settings written into ``demo.py`` with the papers'; the file is only read.

    Raises:
        ConfigError: there is no such file, or a setting differs.
    """
    try:
        tree = ast.parse(demo.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ConfigError(f"{demo}: expected the demo.py of a MonST3R checkout: {error}") from error
    found: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            constants = {
                item.arg: item.value.value
                for item in node.keywords
                if item.arg in SETTINGS and isinstance(item.value, ast.Constant)
            }
            if len(constants) == len(SETTINGS):
                found |= {str(name): value for name, value in constants.items()}
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            named = {target.id for target in node.targets if isinstance(target, ast.Name)}
            found |= {"lr": node.value.value} if "lr" in named else {}
    expected = {**SETTINGS, "lr": LEARNING_RATE}
    wrong = [
        f"{name} = {found.get(name)!r} (expected {value!r})"
        for name, value in expected.items()
        if found.get(name) != value
    ]
    if wrong:
        raise ConfigError(
            f"{demo}: settings differ from the papers': {'; '.join(wrong)}. "
            "check_settings=0 runs it all the same"
        )


def read_output(folder: Path, clip: VideoClip, image_size: int) -> Geometry:
    """Read the folder that ``demo.py`` wrote for a clip.

    ``frame_0000.npy`` … hold depth, ``conf_0.npy`` … its confidence, ``pred_traj.txt`` one line
    ``time x y z qw qx qy qz`` a frame (camera to world), ``pred_intrinsics.txt`` nine numbers a
    frame in pixels of the cropped picture. MonST3R scales pictures to ``image_size`` and crops
    them to whole patches; here the maps cover the whole picture again, unknown at the margin.

    Raises:
        SourceError: a file is missing or not as described.
    """
    t = len(clip)
    scaled = _scaled_size(clip, image_size)
    depths, (left, top) = _maps(folder, "frame_{:04d}.npy", t, scaled, np.nan)
    confidences, _ = _maps(folder, "conf_{}.npy", t, scaled, 0.0)
    rows = _numbers(folder / "pred_traj.txt", t, 8)
    poses = np.tile(np.eye(4), (t, 1, 1))
    poses[:, :3, :3] = rotation_matrices(rows[:, 4:])
    poses[:, :3, 3] = rows[:, 1:4]
    intrinsics = _numbers(folder / "pred_intrinsics.txt", t, 9).reshape(t, 3, 3)
    # MonST3R counts pixels from the middle of the first one.
    intrinsics[:, 0, 2] += left + 0.5
    intrinsics[:, 1, 2] += top + 0.5
    intrinsics[:, 0] *= clip.width_px / scaled[0]
    intrinsics[:, 1] *= clip.height_px / scaled[1]
    try:
        return Geometry(
            depths=depths,
            world_SE3_camera=poses,
            intrinsics=intrinsics,
            width_px=clip.width_px,
            height_px=clip.height_px,
            confidences=np.maximum(np.nan_to_num(confidences), 0.0),
        )
    except ValueError as error:
        raise SourceError(folder, str(error)) from error


def _write_pictures(folder: Path, clip: VideoClip) -> None:
    from PIL import Image

    folder.mkdir(parents=True)
    for index, image in enumerate(clip.images):
        Image.fromarray(image).save(folder / f"{index:05d}.png", compress_level=1)


def _scaled_size(clip: VideoClip, image_size: int) -> tuple[int, int]:
    """Width and height after MonST3R has scaled the longer side, before it crops."""
    height, width = clip.images.shape[1:3]
    longer = max(width, height)
    return round(width * image_size / longer), round(height * image_size / longer)


def _maps(
    folder: Path, pattern: str, count: int, scaled: tuple[int, int], unknown: float
) -> tuple[Maps, tuple[int, int]]:
    width, height = scaled
    whole = np.full((count, height, width), unknown, dtype=np.float32)
    left = top = 0
    for index in range(count):
        path = folder / pattern.format(index)
        cropped = _array(path)
        if cropped.ndim != 2 or cropped.shape[0] > height or cropped.shape[1] > width:
            rule = f"expected a map of at most {height} x {width}, got {cropped.shape}"
            raise SourceError(path, rule)
        own_h, own_w = cropped.shape
        left, top = width // 2 - own_w // 2, height // 2 - own_h // 2
        whole[index, top : top + own_h, left : left + own_w] = cropped
    return whole, (left, top)


def _array(path: Path) -> NDArray[np.floating]:
    try:
        array: NDArray[np.floating] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SourceError(path, f"expected an array that demo.py wrote: {error}") from error
    return array


def _numbers(path: Path, count: int, columns: int) -> FloatArray:
    try:
        rows = np.loadtxt(path, ndmin=2, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise SourceError(path, f"expected a table that demo.py wrote: {error}") from error
    if rows.shape[0] < count or rows.shape[1] != columns:
        raise SourceError(path, f"expected {count} rows of {columns} numbers, got {rows.shape}")
    return rows[:count]


def _commit(checkout: Path) -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=checkout,
            capture_output=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = done.stdout.decode("ascii", "replace").strip()
    return text if done.returncode == 0 and text else None
