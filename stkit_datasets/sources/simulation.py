"""The embedded source: seeded scenes whose world is known exactly. Needs no file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stkit_datasets.clip import Clip, Tracks
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.simulation.render import RenderedFrames
from stkit_datasets.simulation.scenes import Scene, View, build_scene, generator
from stkit_datasets.simulation.visibility import annotated
from stkit_datasets.sources.base import GRID_STEP_S, MAX_FRAMES, MIN_FRAMES, SPLITS, UnitResult

_SHORT = {"train": "train", "validation": "val"}


@dataclass(frozen=True)
class SimulationOptions:
    """What the simulated data set holds.

    Attributes:
        n_train_scenes: scenes of the split ``train``.
        n_validation_scenes: scenes of the split ``validation``.
        seed: another seed is another data set.
        duration_s: the longest scene, 2.5 to 20 s.
        width_px: image width.
        height_px: image height.
        jitter_m: standard deviation of the noise added to annotated centres, per axis; the
            pictures show the exact world.
    """

    n_train_scenes: int = 64
    n_validation_scenes: int = 16
    seed: int = 0
    duration_s: float = 20.0
    width_px: int = 640
    height_px: int = 360
    jitter_m: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            wanted = (int, float) if field.type == "float" else (int,)
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise ConfigError(f"simulation: {field.name} must be {field.type}, got {value!r}")
        shortest, longest = MIN_FRAMES * GRID_STEP_S, MAX_FRAMES * GRID_STEP_S
        if not shortest <= self.duration_s <= longest:
            raise ConfigError(
                f"simulation: duration_s must be from {shortest:g} to {longest:g}, "
                f"got {self.duration_s!r}"
            )
        for name in ("n_train_scenes", "n_validation_scenes"):
            if not 0 <= getattr(self, name) <= 10**6:
                raise ConfigError(
                    f"simulation: {name} must be from 0 to 1000000, got {getattr(self, name)}"
                )
        for name in ("width_px", "height_px"):
            if not 32 <= getattr(self, name) <= 4096:
                raise ConfigError(
                    f"simulation: {name} must be from 32 to 4096, got {getattr(self, name)}"
                )
        if not (math.isfinite(self.jitter_m) and self.jitter_m >= 0):
            raise ConfigError(f"simulation: jitter_m must be 0 or more, got {self.jitter_m!r}")


class Simulation:
    """Scenes drawn from a seed; implements ``sources.base.Source``.

    Args:
        data_dir: not used; the source needs no files.
        options: fields of ``SimulationOptions``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "simulation"

    def __init__(
        self, data_dir: Path | None = None, options: Mapping[str, object] | None = None
    ) -> None:
        self.data_dir = Path() if data_dir is None else Path(data_dir)
        known = [field.name for field in dataclasses.fields(SimulationOptions)]
        unknown = sorted(set(options or {}) - set(known))
        if unknown:
            raise ConfigError(
                f"simulation: unknown option {', '.join(map(repr, unknown))}; "
                f"known are {', '.join(known)}"
            )
        self.options = SimulationOptions(**(options or {}))  # type: ignore[arg-type]

    def units(self, split: str) -> Sequence[str]:
        """Name the scenes of a split, ``sim-train-000000`` and on."""
        count = {
            "train": self.options.n_train_scenes,
            "validation": self.options.n_validation_scenes,
        }[_known(split)]
        return [f"sim-{_SHORT[split]}-{index:06d}" for index in range(count)]

    def scene(self, split: str, unit: str) -> Scene:
        """Play one scene: the exact world, with what is not annotated too."""
        names = self.units(split)
        if unit not in names:
            held = f"{names[0]} to {names[-1]}" if names else "no scene"
            raise SourceError(unit, f"the split {split!r} holds {held}")
        rng = generator(self.options.seed, split, int(unit.rpartition("-")[2]))
        options = self.options
        return build_scene(unit, rng, options.duration_s, options.width_px, options.height_px)

    def read(self, split: str, unit: str) -> UnitResult:
        """Play one scene and return a clip for each of its cameras.

        Raises:
            SourceError: the split has no such unit.
        """
        return UnitResult(self.clips(split, self.scene(split, unit)))

    def clips(self, split: str, scene: Scene) -> tuple[Clip, ...]:
        """Return a clip for each camera of a scene of this source."""
        unit = scene.name
        noise = np.zeros(scene.centers_m.shape)
        if self.options.jitter_m:
            rng = generator(self.options.seed, "jitter", split, unit)
            noise = rng.normal(0.0, self.options.jitter_m, scene.centers_m.shape)
        return tuple(
            Clip(
                source=self.name,
                split=split,
                clip_id=unit,
                scene_id=unit,
                camera=view.camera,
                timestamps_s=scene.timestamps_s,
                tracks=_tracks(scene, view, noise),
                frames=RenderedFrames(scene, index),
                files=(),
                domain=scene.domain,
                camera_SE3_world=view.camera_SE3_world,
                notes={"template": scene.template},
            )
            for index, view in enumerate(scene.views)
        )

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield nothing: the scenes follow from the options and the code."""
        _known(split)
        return iter(())


def _known(split: str) -> str:
    if split not in SPLITS:
        raise ConfigError(f"simulation: split must be one of {', '.join(SPLITS)}, got {split!r}")
    return split


def _tracks(scene: Scene, view: View, noise_m: np.ndarray) -> Tracks:
    given = annotated(scene, view)
    keep = np.flatnonzero(given.any(axis=1))
    names = track_names(scene)
    seen = given[keep][..., None]
    n_frames = scene.centers_m.shape[1]
    keys = np.array(
        [[f"{scene.name}/{names[i]}/{t}" for t in range(n_frames)] for i in keep], dtype=object
    ).reshape(len(keep), n_frames, 1)
    sizes = np.broadcast_to(scene.sizes_lwh_m[keep, None], (len(keep), n_frames, 3))
    return Tracks(
        track_ids=tuple(names[i] for i in keep),
        categories=tuple(scene.bodies[i].model.category for i in keep),
        kinds=tuple(scene.bodies[i].model.kind for i in keep),
        centers_m=np.where(seen, (scene.centers_m + noise_m)[keep], np.nan),
        sizes_lwh_m=np.where(seen, sizes, np.nan),
        rotations_wxyz=np.where(seen, scene.rotations_wxyz[keep], np.nan),
        annotation_keys=np.where(seen, keys, "").astype(str),
    )


def track_names(scene: Scene) -> list[str]:
    """Return a name for each body, ``car-0``, ``car-1``, ``person-2``: category and index."""
    return [f"{body.model.category}-{index}" for index, body in enumerate(scene.bodies)]
