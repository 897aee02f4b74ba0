from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from labelling_maker import Archives, write_video

from stkit_datasets.cli import main
from stkit_datasets.config import KinematicsConfig
from stkit_datasets.pseudo_labels.backends.precomputed import write_geometry, write_semantics
from stkit_datasets.pseudo_labels.collecting import clip_name
from stkit_datasets.pseudo_labels.factors import read_table
from stkit_datasets.pseudo_labels.files import read_pseudo_labels
from stkit_datasets.pseudo_labels.judge import CRITERIA
from stkit_datasets.pseudo_labels.samples import read_samples
from stkit_datasets.pseudo_labels.simulated import exact
from stkit_datasets.pseudo_labels.truth_report import match_tracks, truth_report, turned_onto
from stkit_datasets.sources import open_source

OPTIONS = {"n_train_scenes": 2, "duration_s": 6.0, "width_px": 320, "height_px": 180}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    """Two simulated scenes, labelled from exact depth and masks."""
    root = tmp_path_factory.mktemp("against")
    archives = Archives(root / "archives")
    source = open_source("simulation", None, OPTIONS)
    for unit in source.units("train"):
        for view, clip in enumerate(source.read("train", unit).clips):
            geometry, segmentation = exact(source.scene("train", unit), view, 180)
            name = clip_name(clip.clip_id, clip.camera.name)
            for stage, write, value in (
                ("geometry", write_geometry, geometry),
                ("semantics", write_semantics, segmentation),
            ):
                write(Path(archives.folder(stage), f"{name}.npz"), value, clip.timestamps_s)
    options = [f"--source-option={name}={value}" for name, value in OPTIONS.items()]
    arguments = ["--source", "simulation", *options, "--fps", "2", *archives.arguments()]
    assert main(["pseudo-label", "--out", str(root / "out"), *arguments]) == 0
    return root / "out"


def arguments():
    return ["--against", "simulation", *(f"--source-option={k}={v}" for k, v in OPTIONS.items())]


def test_exact_depth_and_masks_are_close_to_the_truth(labelled):
    files = sorted(labelled.rglob("*.parquet"))
    report = truth_report(files, "simulation", None, "train", OPTIONS)
    assert report.clips == len(files) >= 2
    assert report.matched >= 3
    relative = report.errors.relative[report.errors.moving]
    assert len(relative) >= 1
    assert np.median(relative) < 0.2


def test_tracks_are_matched_by_their_boxes(labelled):
    source = open_source("simulation", None, OPTIONS)
    for unit in source.units("train"):
        for clip in source.read("train", unit).clips:
            name = clip_name(clip.clip_id, clip.camera.name)
            labels = read_pseudo_labels(labelled / "pseudo_labels" / "train" / f"{name}.parquet")
            match = match_tracks(labels, clip, KinematicsConfig())
            # The archives name objects as the source names its tracks.
            assert all(ours == theirs for ours, theirs in match.items())


def test_the_report_says_errors_by_distance_and_size_and_draws_paths(labelled, capsys):
    assert main(["pseudo-label-report", str(labelled), *arguments()]) == 0
    said = capsys.readouterr().out
    for part in ("|pred - gt| / gt", "distance < 10 m", "size >= 6 m", "truly moving", "29%"):
        assert part in said
    page = (labelled / "paths.svg").read_text()
    root = ElementTree.fromstring(page)
    lines = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) >= 2
    assert len(lines) % 2 == 0


def test_the_report_holds_uncertainties_against_errors_and_draws_them(labelled, tmp_path, capsys):
    table = tmp_path / "factors" / "own.json"
    run = ["pseudo-label-report", str(labelled), *arguments(), "--fit-uncertainty", str(table)]
    assert main(run) == 0
    said = capsys.readouterr().out
    for part in ("1 sigma", "of a normal distribution", "mean error of the surest", "this half"):
        assert part in said
    page = ElementTree.fromstring((labelled / "uncertainty.svg").read_text())
    assert page.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert read_table(table).origin.startswith("simulation, train, ")
    # Two short scenes have few questions: their tasks keep the factors that were there.
    assert "too few questions, factors as before" in said


def test_the_report_prints_table_10_with_errors_by_stage(labelled, tmp_path, capsys):
    rows, kept = tmp_path / "rows", tmp_path / "kept"
    build = ["build", "bdd100k", "--data-dir", str(labelled), "--video", "none", "--split", "train"]
    assert main([*build, "--out", str(rows)]) == 0
    samples, _ = read_samples(rows)
    views = {sample.view: sample.id for sample in samples}
    worst = next(s.view for s in samples if s.task == "traveled_distance")
    lines = [
        {"id": row, "criterion": name, "response": "No" if view == worst else "Yes"}
        for view, row in views.items()
        for name in CRITERIA
    ]
    judged = tmp_path / "judged.jsonl"
    judged.write_text("".join(json.dumps(line) + "\n" for line in lines))
    filter_ = ["pseudo-label-filter", str(rows), "--out", str(kept), "--judgements", str(judged)]
    assert main(filter_) == 0
    capsys.readouterr()
    table = ["--rows", str(rows), "--filtered", str(kept), "--audit", str(judged)]
    table += ["--unfiltered", str(labelled), "--unfiltered-rows", str(rows)]
    assert main(["pseudo-label-report", str(labelled), *arguments(), *table]) == 0
    said = capsys.readouterr().out
    text = {line[:48].strip(): line[48:].split() for line in said.splitlines()}
    left = sum(sample.view != worst for sample in samples)
    assert text["all"] == [str(len(samples)), str(len(samples)), str(left)]
    assert text["occlusion"] == [str(len(samples) - left)] * 2 + ["0"]
    known = [int(n) for n in text["samples of known truth"]]
    assert known[0] == known[1] > known[2] > 0
    assert text["mean"][0] == text["mean"][1]
    assert float(text["mean"][1].rstrip("%")) < 40


def test_options_of_the_table_need_its_rows(labelled, capsys):
    assert main(["pseudo-label-report", str(labelled), "--filtered", "x"]) == 2
    assert "--filtered needs --rows" in capsys.readouterr().err
    assert main(["pseudo-label-report", str(labelled), "--fit-uncertainty", "x.json"]) == 2
    assert "--fit-uncertainty needs --against" in capsys.readouterr().err


def test_a_source_that_was_not_labelled_is_said(labelled, capsys):
    options = ["--source-option=n_train_scenes=0"]
    assert main(["pseudo-label-report", str(labelled), "--against", "simulation", *options]) == 2
    assert "no file here is of a train clip of 'simulation'" in capsys.readouterr().err
    assert main(["pseudo-label-report", str(labelled), "--paths", "x.svg"]) == 2
    assert "--paths needs --against" in capsys.readouterr().err


def test_what_filters_left_is_counted(tmp_path, capsys):
    archives = Archives(tmp_path / "archives")
    for name, objects in (("a", True), ("b", False)):
        video = write_video(tmp_path / "in" / f"{name}.mp4", range(0, 8000, 100))
        archives.add(name, video, objects)
    path = archives.root / "semantics" / "a.npz"
    with np.load(path) as file:
        arrays = dict(file)
    arrays["text_confidences"][1, :5] = 0.2  # below 0.3, in five frames of the person
    np.savez(path, **arrays)
    out = tmp_path / "out"
    assert (
        main(["pseudo-label", str(tmp_path / "in"), "--out", str(out), *archives.arguments()]) == 0
    )
    capsys.readouterr()
    assert main(["pseudo-label-report", str(out)]) == 0
    lines = {line[:34].strip(): line[34:].split() for line in capsys.readouterr().out.splitlines()}
    labels = read_pseudo_labels(out / "pseudo_labels/train/a.parquet")
    assert lines["found"] == ["2", "64"]
    assert lines["filter 1, rules"] == ["5"]
    assert lines["text_confidence"] == ["5"]
    assert lines["filter 2, VLM"] == ["not", "run"]
    assert lines["left"] == [str(len(labels.track_ids)), str(len(labels))]
    assert "2 videos, 1 with tracks" in lines


def test_a_folder_without_labels_is_said(tmp_path, capsys):
    assert main(["pseudo-label-report", str(tmp_path)]) == 2
    assert "expected pseudo-label files" in capsys.readouterr().err


def test_a_path_is_turned_and_shifted_but_not_scaled():
    line = np.stack([np.arange(5.0), np.zeros(5)], axis=1)
    up = np.stack([np.full(5, 3.0), np.arange(5.0) + 1], axis=1)
    assert turned_onto(line, up) == pytest.approx(up)
    assert turned_onto(2 * line, up)[:, 1] == pytest.approx([-1, 1, 3, 5, 7])
