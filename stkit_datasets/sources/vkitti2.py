"""Virtual KITTI 2, read from its official text files.

Layout and columns, as
https://europe.naverlabs.com/proxy-virtual-worlds-vkitti-2 publishes them::

    <scene>/<variation>/pose.txt         boxes in the world frame, a row a frame, camera and track
    <scene>/<variation>/bbox.txt         how much of each object is seen
    <scene>/<variation>/info.txt         what the tracks are
    <scene>/<variation>/intrinsic.txt
    <scene>/<variation>/extrinsic.txt    from the world to the camera, every frame
    <scene>/<variation>/frames/rgb/Camera_0/rgb_00000.jpg       may be absent

or with the text files below ``vkitti_2.0.3_textgt`` and the images below ``vkitti_2.0.3_rgb``, as
the archives are named. The file ``colors.txt`` says nothing of motion and is not read.

The published world has y down; here it is turned so that z is up. Its boxes are given by the
middle of their bottom. Frames are 0.1 s apart, as in the KITTI sequences that the scenes clone;
the files state no rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from stkit_datasets.clip import Camera, Clip, Frames
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.base import SPLITS, Skipped, UnitResult
from stkit_datasets.sources.numbered import frames_of_times, image_frames
from stkit_datasets.sources.options import config_from_options, names_among
from stkit_datasets.sources.rig import (
    IntArray,
    Recording,
    RigConfig,
    View,
    cut_clips,
    nearest_rows,
    poses_of_rows,
)
from stkit_datasets.sources.vkitti2_tables import (
    EXTRINSICS,
    FILES,
    FPS,
    POSES,
    VISIBILITY,
    Extrinsics,
    read_extrinsics,
    read_intrinsics,
    read_tracks,
)

SCENES = ("Scene01", "Scene02", "Scene06", "Scene18", "Scene20")
VARIATIONS = (
    *("clone", "15-deg-left", "15-deg-right", "30-deg-left", "30-deg-right"),
    *("fog", "morning", "overcast", "rain", "sunset"),
)
CAMERAS = ("Camera_0", "Camera_1")
SIZE_PX = (1242, 375)

_TEXT_ROOTS = (".", "vkitti_2.0.3_textgt")
_IMAGE_ROOTS = (".", "vkitti_2.0.3_rgb")
_SEPARATOR = "+"


@dataclass(frozen=True)
class VirtualKitti2Config(RigConfig):
    """What may be set for this source.

    Attributes:
        cameras: which of the stereo pair make clips; they see nearly the same.
        variations: which of the ten renderings of a scene make clips.
        validation_scenes: there is no official split, and P2 C.4 uses the set for training: all
            scenes are in ``train`` but those named here.
        min_visible_share: an object of which less is seen in a frame, by ``occupancy_ratio``, is
            not annotated there [ours].
    """

    known: ClassVar[tuple[str, ...]] = CAMERAS
    cameras: tuple[str, ...] = ("Camera_0",)
    variations: tuple[str, ...] = ("clone",)
    validation_scenes: tuple[str, ...] = ()
    min_visible_share: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        variations = names_among("variations", self.variations, VARIATIONS)
        object.__setattr__(self, "variations", variations)
        held_out = names_among(
            "validation_scenes", self.validation_scenes, SCENES, may_be_empty=True
        )
        object.__setattr__(self, "validation_scenes", held_out)
        if not 0 <= self.min_visible_share <= 1:
            raise ConfigError(
                f"min_visible_share must lie in [0, 1], got {self.min_visible_share!r}"
            )


class VirtualKitti2:
    """Virtual KITTI 2; a unit is a variation of a scene, ``Scene01+clone``.

    Args:
        data_dir: the folder that holds the scenes, or the two folders of the archives.
        options: fields of ``VirtualKitti2Config``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "vkitti2"

    def __init__(self, data_dir: Path, options: Mapping[str, object] | None = None) -> None:
        self.data_dir = Path(data_dir)
        self.config = config_from_options(VirtualKitti2Config, self.name, options)

    def units(self, split: str) -> Sequence[str]:
        """Name the variations of the split's scenes that are on disk, sorted."""
        if split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        root = self._root()
        held_out = self.config.validation_scenes
        return sorted(
            f"{scene}{_SEPARATOR}{variation}"
            for scene in SCENES
            for variation in self.config.variations
            if (scene in held_out) == (split == "validation")
            and (root / scene / variation).is_dir()
        )

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield the text files of the split's units."""
        for unit in self.units(split):
            for name in FILES:
                path = self._folder(unit) / name
                if path.exists():
                    yield path

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one variation of a scene into clips, camera by camera, window by window in each.

        What a camera does not see is not annotated for it, so that each has tracks of its own.
        """
        if unit not in self.units(split):
            raise SourceError(self.data_dir, f"expected a scene and variation of {split}", unit)
        folder = self._folder(unit)
        extrinsics = read_extrinsics(folder / EXTRINSICS)
        clips: list[Clip] = []
        skipped: list[Skipped] = []
        for name in self.config.cameras:
            camera_id = CAMERAS.index(name)
            rows = extrinsics.rows_of(camera_id)
            grid_ns = extrinsics.grid(rows, self.config.grid)
            if len(grid_ns) == 0:
                skipped.append(Skipped(f"{unit} {name}", "the files have no such camera"))
                continue
            matrix = read_intrinsics(folder, camera_id)
            recording = Recording(
                self.name,
                split,
                unit,
                unit.partition(_SEPARATOR)[0],
                grid_ns,
                read_tracks(
                    folder, camera_id, grid_ns, self.config.grid, self.config.min_visible_share
                ),
                tuple(
                    (folder / each).relative_to(self.data_dir).as_posix()
                    for each in (POSES, VISIBILITY)
                ),
            )
            view = self._view(unit, Camera(name, *SIZE_PX, matrix), extrinsics, rows, grid_ns)
            found = cut_clips(recording, [view])
            clips.extend(found.clips)
            skipped.extend(found.skipped)
        return UnitResult(tuple(clips), tuple(skipped))

    def _root(self) -> Path:
        for root in _TEXT_ROOTS:
            if any((self.data_dir / root / scene).is_dir() for scene in SCENES):
                return self.data_dir / root
        raise SourceError(
            self.data_dir,
            f"expected the folder of Virtual KITTI 2, which holds {', '.join(SCENES)} (or a folder "
            f"{_TEXT_ROOTS[1]} that holds them), with one folder a variation in each",
        )

    def _folder(self, unit: str) -> Path:
        scene, _, variation = unit.partition(_SEPARATOR)
        return self._root() / scene / variation

    def _view(
        self, unit: str, camera: Camera, extrinsics: Extrinsics, rows: IntArray, grid_ns: IntArray
    ) -> View:
        nearest = nearest_rows(
            extrinsics.timestamps_ns[rows], grid_ns, self.config.image_tolerance_ns
        )
        poses = poses_of_rows(extrinsics.camera_SE3_world[rows], nearest)
        names = [f"rgb_{n:05d}.jpg" for n in frames_of_times(grid_ns, FPS).tolist()]
        folder = self._images(unit, camera.name)

        def frames(first: int, last: int) -> Frames | None:
            return image_frames(self.data_dir, folder, names[first:last], SIZE_PX)

        return View(camera, poses, frames)

    def _images(self, unit: str, camera: str) -> Path:
        scene, _, variation = unit.partition(_SEPARATOR)
        inner = Path(scene, variation, "frames", "rgb", camera)
        found = [self.data_dir / root / inner for root in _IMAGE_ROOTS]
        return next((path for path in found if path.is_dir()), found[0])
