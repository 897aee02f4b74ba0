from dataclasses import replace

import numpy as np
import pseudo_maker as maker
import pytest

from stkit_datasets.sources.pseudo_labelled import (
    PseudoLabelledConfig,
    Video,
    read_video,
    unit_of,
    video_id_of,
)


def read(folder, made, **options):
    path = maker.write(folder, made)
    video = Video("any", "train", "v1", "v1", folder, path, "v1.mp4")
    return read_video(video, PseudoLabelledConfig(**options))


@pytest.mark.parametrize(
    ("video_id", "unit"),
    [
        ("b1c66a42-6f7d68ca", "b1c66a42-6f7d68ca"),
        ("0_30_s/a b/c.mp4", "0_30_s+a%20b+c.mp4"),
        ("a+b/c%2B", "a%2Bb+c%252B"),
        ("ä:é", "%C3%A4%3A%C3%A9"),
    ],
)
def test_units_are_safe_names_and_turn_back(video_id, unit):
    assert unit_of(video_id) == unit
    assert video_id_of(unit) == video_id


@pytest.mark.parametrize("unit", ["", "..", "a+..+b", "a+", "a/b", "a%2Fb", "a b"])
def test_other_names_are_no_units(unit):
    assert video_id_of(unit) is None


def test_frames_beside_the_grid_are_used_with_their_real_times(tmp_path):
    # 2 Hz picked from 29.97 frames a second: up to 17 ms beside the grid.
    times_s = np.round(0.5 * np.arange(20) * 29.97) / 29.97
    (clip,) = read(tmp_path, maker.labels(times_s=times_s)).clips
    np.testing.assert_allclose(clip.timestamps_s, times_s, atol=1e-9)
    np.testing.assert_allclose(clip.tracks.centers_m[0, :, 0], 4 * times_s, atol=1e-8)
    assert clip.tracks.annotated.all()


def test_labels_at_5_hz_are_interpolated(tmp_path):
    (clip,) = read(tmp_path, maker.labels(times_s=0.2 * np.arange(30))).clips
    np.testing.assert_allclose(clip.timestamps_s, 0.5 * np.arange(12))
    np.testing.assert_allclose(clip.tracks.centers_m[0, :, 0], 2.0 * np.arange(12))
    np.testing.assert_allclose(clip.boxes_px[0, 3], maker.car_box(1.5))
    assert clip.tracks.annotation_keys[0, 1].tolist() == [400_000_000, 600_000_000]


def test_labels_that_start_late_start_the_clip_late(tmp_path):
    (clip,) = read(tmp_path, maker.labels(times_s=3.25 + 0.5 * np.arange(8))).clips
    assert clip.timestamps_s[0] == 0
    assert clip.start_ns == 3_250_000_000
    assert clip.frames.names[0] == "v1.mp4#t=3.250"


def test_a_missing_frame_is_a_gap(tmp_path):
    times_s = np.delete(0.5 * np.arange(20), 7)
    (clip,) = read(tmp_path, maker.labels(times_s=times_s)).clips
    assert np.flatnonzero(~clip.tracks.annotated[0]).tolist() == [7]
    assert len(clip.timestamps_s) == 20


def test_boxes_are_cut_at_the_edge_and_null_is_not_visible(tmp_path):
    made = maker.labels()
    made.boxes_px[0] = [-20, 100, 30, 300]
    made.boxes_px[1] = np.nan
    made.boxes_px[2] = [400, 10, 500, 20]
    (clip,) = read(tmp_path, made).clips
    assert clip.boxes_px[0, 0].tolist() == [0, 100, 30, 180]
    assert np.isnan(clip.boxes_px[0, 1:3]).all()


def test_a_long_video_becomes_several_clips(tmp_path):
    first, second = read(tmp_path, maker.labels(times_s=0.5 * np.arange(50))).clips
    assert (first.clip_id, second.clip_id, second.scene_id) == ("v1@0", "v1@1", "v1")
    assert (first.tracks.n_frames, second.tracks.n_frames) == (40, 10)
    assert second.frames.names[0] == "v1.mp4#t=20.000"
    assert second.boxes_px.shape == (2, 10, 4)


def test_without_intrinsics_and_without_sizes(tmp_path):
    (clip,) = read(tmp_path, maker.labels(intrinsics=None)).clips
    assert clip.notes == {"intrinsics": "not given"}
    assert np.isnan(clip.tracks.sizes_lwh_m[1]).all()
    assert np.isnan(clip.tracks.rotations_wxyz[1]).all()
    assert clip.tracks.rotations_wxyz[0, 0].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (maker.without_objects(), "no object in the pseudo-label file"),
        (maker.labels(times_s=[0.0]), "1 frames on the grid, a clip needs 5"),
        (maker.labels(times_s=np.arange(4) / 2), "4 frames on the grid"),
    ],
)
def test_what_gives_no_clip_is_said(tmp_path, made, reason):
    result = read(tmp_path, made)
    assert result.clips == ()
    (skipped,) = result.skipped
    assert skipped.reason.startswith(reason)


def test_a_window_without_objects_is_said(tmp_path):
    made = maker.labels(times_s=0.5 * np.arange(60))
    rows = np.flatnonzero(made.timestamps_s < 20)
    names = (
        *("track_index", "timestamps_s", "centers_m", "sigmas_m", "boxes_px", "yaws_rad"),
        *("box_confidences", "text_confidences", "point_counts", "sizes_lwh_m"),
    )
    made = replace(made, **{name: getattr(made, name)[rows] for name in names})
    result = read(tmp_path, made)
    assert [clip.clip_id for clip in result.clips] == ["v1@0"]
    assert [(s.what, s.reason) for s in result.skipped] == [
        ("v1@1", "no object lies at a time of the grid")
    ]
