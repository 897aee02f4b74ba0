from __future__ import annotations

import threading
import time

import pytest
from labelling_maker import Archives, write_video

from stkit_datasets.engine import Engine
from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.collecting import Place, find_videos, video_jobs
from stkit_datasets.pseudo_labels.running import label_videos

N_VIDEOS = 14


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    archives = Archives(root / "archives")
    for number in range(N_VIDEOS):
        name = f"v{number:02d}"
        video = write_video(root / "in" / f"{name}.mp4", range(0, 4000 + 250 * number, 50))
        archives.add(name, video, objects=number % 5 != 4)
    (root / "in" / "broken.mp4").write_bytes(b"nothing")
    return root / "in", archives.setup()


def files(out):
    return {p.name: p.read_bytes() for p in out.rglob("*.parquet")}


@pytest.mark.ray
def test_a_lost_node_loses_nothing_and_changes_no_byte(cluster, videos, tmp_path):
    folder, setup = videos
    found = find_videos([folder])
    local, spread = (video_jobs(found, Place(tmp_path / name)) for name in ("local", "ray"))
    expected = label_videos(local, setup, Engine(), progress=False)
    lost = next(iter(cluster.worker_nodes))
    done_at_loss: list[int] = []

    def lose_a_node():
        deadline = time.monotonic() + 120
        while len(files(tmp_path / "ray")) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        done_at_loss.append(len(files(tmp_path / "ray")))
        cluster.remove_node(lost, allow_graceful=False)

    saboteur = threading.Thread(target=lose_a_node)
    saboteur.start()
    outcomes = label_videos(spread, setup, Engine("ray", 0), progress=False)
    saboteur.join()
    assert 3 <= done_at_loss[0] < N_VIDEOS
    assert lost not in cluster.list_all_nodes()
    assert [o.video_id for o in outcomes] == sorted(job.video_id for job in spread)
    assert [(o.video_id, o.kind, o.tracks) for o in outcomes] == [
        (o.video_id, o.kind, o.tracks) for o in expected
    ]
    assert {o.kind for o in outcomes} == {"labelled", "no objects", "broken"}
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert len(files(tmp_path / "ray")) == N_VIDEOS


@pytest.mark.ray
def test_bad_settings_end_the_run_with_their_own_error(cluster, videos, tmp_path):
    folder, setup = videos
    jobs = video_jobs(find_videos([folder]), Place(tmp_path))
    wrong = type(setup)(setup.geometry, setup.semantics, fps=1.0)
    with pytest.raises(ConfigError, match="fps must be from 2"):
        label_videos(jobs, wrong, Engine("ray", 0), progress=False)
