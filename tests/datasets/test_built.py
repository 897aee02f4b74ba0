"""What a built folder tells of itself."""

from __future__ import annotations

from pathlib import Path

from stkit_datasets.build import BuildConfig, build
from stkit_datasets.rows import RowConfig


def test_another_build_in_the_same_place_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    import datasets

    def rows(n_scenes: int, out: Path) -> int:
        options = {"n_train_scenes": n_scenes, "duration_s": 4.0}
        settings = RowConfig(video="none")
        build(
            BuildConfig("simulation", None, out, ("train",), rows=settings, source_options=options),
            progress=False,
        )
        loaded = datasets.load_dataset(
            str(out), "simulation", split="train", cache_dir=str(tmp_path / "cache")
        )
        return len(loaded)

    first = rows(1, tmp_path / "a" / "data")
    assert rows(2, tmp_path / "a" / "data") > first
    assert rows(3, tmp_path / "b" / "data") > rows(2, tmp_path / "a" / "data")
    assert rows(1, tmp_path / "a" / "data") == first
