"""Backends that need no network: archives on disk, and a checkout that is run."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from tiny_models import clip, geometry

from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.pseudo_labels.backends import BackendSpec, open_backend
from stkit_datasets.pseudo_labels.backends.following import Roster, Sheet
from stkit_datasets.pseudo_labels.backends.grounding_dino import Boxes
from stkit_datasets.pseudo_labels.backends.monst3r import (
    Monst3r,
    Monst3rOptions,
    check_settings,
)
from stkit_datasets.pseudo_labels.backends.precomputed import (
    write_geometry,
    write_metric,
    write_semantics,
)
from stkit_datasets.pseudo_labels.interfaces import MetricDepth, Segmentation


def opened(stage, folder):
    return open_backend(BackendSpec(stage, "precomputed", {"folder": str(folder)})).of_video("v")


def test_geometry_comes_back_at_the_clips_times(tmp_path):
    whole = replace(geometry(8), confidences=np.ones((8, 6, 8), dtype=np.float32))
    whole.depths[:] = np.arange(8)[:, None, None] + 1
    write_geometry(tmp_path / "v.npz", whole, 0.125 * np.arange(8))
    found = opened("geometry", tmp_path).estimate(clip())  # at 0, 0.25, 0.5, 0.75 s
    assert found.depths[:, 0, 0].tolist() == [1, 3, 5, 7]
    assert found.confidences.shape == (4, 6, 8)
    assert (found.width_px, found.height_px, found.is_metric) == (128, 96, False)
    assert found.up is None


def test_metric_depth_comes_back_where_it_is_known(tmp_path):
    metric = MetricDepth(np.array([1, 3]), np.full((2, 3, 4), 7, np.float32), None, np.ones(2))
    write_metric(tmp_path / "v.npz", metric, 0.25 * np.arange(4))
    found = opened("metric", tmp_path).estimate(clip(), geometry())
    assert found.frames.tolist() == [1, 3]
    assert found.depths_m.tolist() == metric.depths_m.tolist()
    assert found.focal_px.tolist() == [1, 1]


def test_objects_that_the_clip_does_not_see_are_left_out(tmp_path):
    instances = np.full((5, 2, 2), -1, dtype=np.int16)
    instances[4, 0, 0], instances[1, 1, 1] = 0, 1
    boxes = np.full((2, 5, 4), np.nan)
    boxes[0, 4], boxes[1, 1] = [0, 0, 64, 48], [64, 48, 128, 96]
    sure = np.where(np.isfinite(boxes[..., 0]), 0.5, np.nan)
    whole = Segmentation(("a", "b"), ("car", "bus"), instances, boxes, sure, sure, 128, 96)
    write_semantics(tmp_path / "v.npz", whole, 0.25 * np.arange(5))
    found = opened("semantics", tmp_path).find(clip())
    assert (found.object_ids, found.categories) == (("b",), ("bus",))
    assert found.instances[1].tolist() == [[-1, -1], [-1, 0]]
    assert (found.instances[[0, 2, 3]] == -1).all()
    assert found.boxes_px[0, 1].tolist() == [64, 48, 128, 96]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "expected a precomputed archive"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "cannot be read"),
        (lambda path: path.write_bytes(b"no archive"), "without pickles"),
        (lambda path: np.savez(path, depths=np.ones(3)), "expected the arrays timestamps_s"),
        (lambda path: np.save(path.open("wb"), np.ones(3)), "got a single array"),
        (
            lambda path: write_geometry(path, geometry(3), 0.25 * np.arange(3)),
            r"expected a frame at 0\.750 s \(1 of 4",
        ),
        (
            lambda path: np.savez(
                path,
                timestamps_s=0.25 * np.arange(4),
                depths=np.array([{}], dtype=object),
                world_SE3_camera=1,
                intrinsics=1,
            ),
            "without pickles",
        ),
    ],
)
def test_broken_archives_are_named(tmp_path, change, message):
    path = tmp_path / "v.npz"
    write_geometry(path, geometry(4), 0.25 * np.arange(4))
    change(path)
    with pytest.raises(SourceError, match=message) as caught:
        opened("geometry", tmp_path).estimate(clip())
    assert str(path) in str(caught.value)


def boxes(*rows, categories=None, confidences=None):
    n = len(rows)
    return Boxes(
        np.array(rows, dtype=float).reshape(n, 4),
        tuple(categories or ["car"] * n),
        np.array(confidences or [0.9] * n),
        np.full(n, 0.5),
    )


def test_a_detection_keeps_the_name_of_what_it_overlaps():
    roster = Roster(min_iou=0.5, max_missed=1)
    roster.update(boxes([0, 0, 0.2, 0.2], [0.5, 0.5, 0.7, 0.7]))
    roster.update(boxes([0.51, 0.5, 0.71, 0.7], [0.8, 0.1, 0.9, 0.2], categories=["bus", "person"]))
    assert [item.number for item in roster.followed] == [0, 1, 2]
    assert [item.missed for item in roster.followed] == [1, 0, 0]
    assert roster.categories == ["car", "car", "person"]
    roster.update(boxes())
    assert [item.number for item in roster.followed] == [1, 2]  # the first was missed twice
    roster.update(boxes())
    assert roster.followed == []


def test_the_surer_of_two_overlapping_masks_wins():
    sheet = Sheet(1, 2, 3)
    masks = np.array([[[1, 1, 0], [0, 0, 0]], [[0, 1, 1], [0, 0, 0]]], dtype=bool)
    sheet.put(0, [4, 2], masks, [0.6, 0.8], [0.3, 0.4])
    found = sheet.segmentation([f"kind {i}" for i in range(5)], 6, 4)
    assert found.object_ids == ("kind_2-2", "kind_4-4")
    assert found.instances[0].tolist() == [[1, 0, 0], [-1, -1, -1]]
    assert found.box_confidences.tolist() == [[0.8], [0.6]]
    assert found.boxes_px[:, 0].tolist() == [[2, 0, 6, 2], [0, 0, 2, 2]]


DEMO = """
import argparse, os
import numpy as np

def reconstruct(outdir, schedule, niter, **settings):
    lr = 0.01
    files = sorted(os.listdir(args.input_dir))
    for i, name in enumerate(files):
        depth = np.full((288, 512), 2.0 + i, dtype=np.float32)
        depth[0] = 9
        np.save(f"{outdir}/frame_{i:04d}.npy", depth)
        np.save(f"{outdir}/conf_{i}.npy", np.full((288, 512), 1.5, dtype=np.float32))
    turn = 0.5 ** 0.5
    with open(f"{outdir}/pred_traj.txt", "w") as file:
        for i in range(len(files)):
            file.write(f"{float(i)} {i} 0.0 0.5 {turn} 0.0 {turn} 0.0\\n")
    rows = [[500, 0, 256, 0, 500, 144, 0, 0, 1]] * len(files)
    np.savetxt(f"{outdir}/pred_intrinsics.txt", rows, fmt="%.6f")

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("input_dir", "output_dir", "seq_name", "device", "image_size"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--silent", action="store_true")
    args = parser.parse_args()
    out = f"{args.output_dir}/{args.seq_name}"
    os.makedirs(out)
    FAIL
    reconstruct(out, schedule="linear", niter=300, scenegraph_type="swinstride", winsize=5,
        temporal_smoothing_weight=0.01, translation_weight="1.0", flow_loss_weight=0.01,
        flow_loss_start_iter=0.1, flow_loss_threshold=25)
"""


WORKING = DEMO.replace("FAIL", "")


def checkout(folder, demo=WORKING):
    (folder / "demo.py").write_text(demo)
    return folder


def test_monst3r_is_run_and_read(tmp_path):
    options = Monst3rOptions(checkout=checkout(tmp_path), python=sys.executable)
    backend = Monst3r(options, "cpu")
    own = clip(3, height=60, width=106, scale=10)  # 512 x 290 once scaled: one row is cut off
    found = backend.estimate(own)
    assert found.depths.shape == (3, 290, 512)
    assert np.isnan(found.depths[:, [0, 289]]).all()
    assert found.depths[:, 1, 0].tolist() == [9, 9, 9]
    assert found.depths[:, 2, 0].tolist() == [2, 3, 4]
    assert found.confidences[0, [0, 1], 0].tolist() == [0, 1.5]
    assert (found.width_px, found.height_px, found.is_metric) == (1060, 600, False)
    assert found.intrinsics[0, 0] == pytest.approx([500 * 1060 / 512, 0, 256.5 * 1060 / 512])
    assert found.intrinsics[0, 1] == pytest.approx([0, 500 * 600 / 290, 145.5 * 600 / 290])
    # A quarter turn about y: the camera's z axis is the world's x.
    assert found.world_SE3_camera[2] == pytest.approx(
        np.array([[0, 0, 1, 2], [0, 1, 0, 0], [-1, 0, 0, 0.5], [0, 0, 0, 1]]), abs=1e-9
    )


def test_monst3r_that_fails_is_quoted(tmp_path):
    demo = DEMO.replace("FAIL", "raise RuntimeError('CUDA out of memory')")
    options = Monst3rOptions(checkout=checkout(tmp_path, demo), python=sys.executable)
    with pytest.raises(SourceError, match=r"status 1: .*CUDA out of memory"):
        Monst3r(options, "cpu").estimate(clip(3))


def test_monst3r_that_hangs_is_given_up(tmp_path):
    demo = DEMO.replace("FAIL", "import time; time.sleep(60)")
    options = Monst3rOptions(checkout(tmp_path, demo), sys.executable, timeout_s=1.0)
    with pytest.raises(SourceError, match="took more than 1 s"):
        Monst3r(options, "cpu").estimate(clip(3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("winsize=5", "winsize=3"), r"winsize = 3 \(expected 5\)"),
        (("niter=300", "niter=100"), r"niter = 100 \(expected 300\)"),
        (("lr = 0.01", "lr = 0.1"), r"lr = 0\.1 \(expected 0\.01\)"),
        (("reconstruct(out, ", "other = dict("), None),
        (("import argparse", "import ("), r"expected the demo\.py of a MonST3R checkout"),
    ],
)
def test_settings_other_than_the_papers_are_refused(tmp_path, change, message):
    folder = checkout(tmp_path, WORKING.replace(*change))
    if message is None:
        check_settings(folder / "demo.py")
    else:
        with pytest.raises(ConfigError, match=message):
            Monst3r(Monst3rOptions(checkout=folder))


def test_the_settings_check_can_be_waived(tmp_path):
    folder = checkout(tmp_path, WORKING.replace("winsize=5", "winsize=3"))
    assert Monst3r(Monst3rOptions(folder, check_settings=False)).name == "monst3r@unknown"


def test_a_checkpoint_is_held_against_what_it_must_hash_to(tmp_path):
    folder = checkout(tmp_path)
    (folder / "weights.pth").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    options = Monst3rOptions(folder, weights="weights.pth", weights_sha256=digest)
    assert Monst3r(options).name == "monst3r@unknown:weights@ba7816bf8f01cfea"
    (folder / "weights.pth").write_bytes(b"abd")
    with pytest.raises(ConfigError, match=f"expected {digest}"):
        Monst3r(options)
    with pytest.raises(ConfigError, match=r"geometry\.weights=FILE"):
        Monst3r(Monst3rOptions(folder, weights_sha256=digest))
    with pytest.raises(ConfigError, match="expected a checkpoint"):
        Monst3r(Monst3rOptions(folder, weights="none.pth", weights_sha256=digest))


def test_no_checkout_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"expected the demo\.py of a MonST3R checkout"):
        Monst3r(Monst3rOptions(checkout=tmp_path))
