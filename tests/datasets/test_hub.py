"""Uploads, against a simulation of the Hub that runs on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from export_maker import make_built
from fake_hub import TOKEN, FakeHub, running_hub

from stkit_datasets.cli import main
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.export import ExportConfig, export
from stkit_datasets.hub import PushError, prepare, push

NAME = "some-lab/stkit"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_built(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def exported(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hub-export")
    export(ExportConfig(built, out, shard_bytes=20_000), progress=False)
    return out


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    from huggingface_hub import constants

    # The simulation speaks Git LFS, the way that every client falls back on.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    with running_hub() as running:
        yield running


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_arrives_is_the_export(exported: Path, hub: FakeHub) -> None:
    address = push(prepare(exported), NAME, endpoint=hub.address)
    assert address == f"{hub.address}/datasets/{NAME}"
    assert hub.repositories == {NAME: False}
    assert hub.files == contents(exported)


def test_a_private_one_is_made_private(exported: Path, hub: FakeHub) -> None:
    push(prepare(exported), NAME, private=True, endpoint=hub.address)
    assert hub.repositories == {NAME: True}


def test_a_second_push_replaces_shards_under_other_numbers(
    built: Path, exported: Path, tmp_path: Path, hub: FakeHub
) -> None:
    push(prepare(exported), NAME, endpoint=hub.address)
    export(ExportConfig(built, tmp_path / "other"), progress=False)
    push(prepare(tmp_path / "other"), NAME, endpoint=hub.address)
    assert hub.files == contents(tmp_path / "other")


def test_an_upload_that_was_cut_off_goes_on(exported: Path, hub: FakeHub) -> None:
    hub.fail["/commit/"] = [400]
    with pytest.raises(PushError, match=f"{NAME}: the Hub refused"):
        push(prepare(exported), NAME, endpoint=hub.address)
    sent = len([request for request in hub.requests if request[0] == "PUT"])
    assert sent > 0
    assert hub.files == {}
    hub.requests.clear()
    push(prepare(exported), NAME, endpoint=hub.address)
    assert hub.files == contents(exported)
    assert [request for request in hub.requests if request[0] == "PUT"] == []


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, r"the token in HF_TOKEN is not valid"),
        (403, r"the token in HF_TOKEN may not write there"),
        (404, r"there is no such organisation or data set for this token"),
    ],
)
def test_a_refusal_says_why_and_never_the_token(
    exported: Path, hub: FakeHub, status: int, message: str
) -> None:
    hub.fail["/api/repos/create"] = [status]
    with pytest.raises(PushError, match=message) as caught:
        push(prepare(exported), NAME, endpoint=hub.address)
    assert TOKEN not in str(caught.value)


def test_a_server_that_repeats_the_token_does_not_get_it_printed(
    exported: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "hf_a_wrong_token_9876543210"
    monkeypatch.setenv("MY_TOKEN", wrong)
    with pytest.raises(PushError, match="the token in MY_TOKEN is not valid") as caught:
        push(prepare(exported), NAME, token_env="MY_TOKEN", endpoint=hub.address)
    assert wrong not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_hub_that_cannot_be_reached(exported: Path, hub: FakeHub) -> None:
    with pytest.raises(PushError, match=r"could not be reached .* run the command again") as caught:
        push(prepare(exported), NAME, endpoint="http://127.0.0.1:9")
    assert TOKEN not in str(caught.value)


def test_no_token_is_an_error_that_names_the_variable(
    exported: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ConfigError, match="no token: set the environment variable HF_TOKEN"):
        push(prepare(exported), NAME, endpoint=hub.address)
    assert hub.requests == []


def test_a_dry_run_lists_what_would_go_and_contacts_nobody(
    exported: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    assert main(["push", str(exported), NAME, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    found = contents(exported)
    for name, content in found.items():
        assert f"{len(content):>15,}  {name}\n" in printed
    total = sum(map(len, found.values()))
    assert f"{total:>15,}  bytes in {len(found)} files" in printed
    assert f"would go to {NAME}" in printed
    assert hub.requests == []


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    return folder


def test_what_is_no_export_is_refused(built: Path, tmp_path: Path) -> None:
    for folder in (built, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SourceError, match=r"export\.json: missing; expected a folder that"):
            prepare(folder)


@pytest.mark.parametrize("name", ["load.py", "simulation/notes.txt", ".env", ".unfinished/a/x"])
def test_what_was_added_is_refused(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_text("secret")
    with pytest.raises(SourceError, match=r"not part of the export; a published folder is data"):
        prepare(copy)


def a_shard(folder: Path, source: str) -> Path:
    return sorted((folder / source).iterdir())[0]


def test_what_was_changed_or_left_out_is_refused(copy: Path) -> None:
    path = a_shard(copy, "simulation")
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    with pytest.raises(SourceError, match=r"must have the \d+ bytes of the export, has \d+"):
        prepare(copy)
    path.unlink()
    with pytest.raises(SourceError, match=r"simulation.*parquet: missing; export again"):
        prepare(copy)
    path.write_bytes(content)
    (copy / "README.md").unlink()
    with pytest.raises(SourceError, match=r"README\.md: missing; export again"):
        prepare(copy)


def test_restricted_video_is_found_in_the_file_whatever_the_manifest_says(
    built: Path, copy: Path
) -> None:
    path = a_shard(copy, "argoverse2")
    pq.write_table(pq.read_table(a_shard(built, "argoverse2")), path)
    manifest = json.loads((copy / "export.json").read_text())
    manifest["files"][f"argoverse2/{path.name}"] = path.stat().st_size
    (copy / "export.json").write_text(json.dumps(manifest))
    with pytest.raises(SourceError, match=r"holds video of 'argoverse2', whose licence does not"):
        prepare(copy)


def test_restricted_video_goes_when_the_export_names_it(
    built: Path, tmp_path: Path, hub: FakeHub
) -> None:
    export(ExportConfig(built, tmp_path / "out", ("argoverse2",)), progress=False)
    push(prepare(tmp_path / "out"), NAME, endpoint=hub.address)
    assert hub.files == contents(tmp_path / "out")


def test_rows_under_an_agreement_are_published_only_when_named(
    copy: Path, hub: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(copy / "argoverse2", copy / "waymo")
    text = (copy / "export.json").read_text().replace("argoverse2", "waymo")
    (copy / "export.json").write_text(text)
    assert main(["push", str(copy), NAME]) == 2
    said = capsys.readouterr().err
    assert "rows of 'waymo' are under Waymo's own non-commercial licence agreement" in said
    assert "--share waymo" in said
    assert hub.requests == []
    push(prepare(copy), NAME, private=True, endpoint=hub.address)
    push(prepare(copy), NAME, share=("waymo",), endpoint=hub.address)
    assert hub.files == contents(copy)


@pytest.mark.parametrize("name", ["stkit", "a/b/c", "lab/", "lab/st kit", "https://hub/lab/x"])
def test_a_data_set_is_named_org_and_name(exported: Path, hub: FakeHub, name: str) -> None:
    with pytest.raises(ConfigError, match="the data set must be named ORG/NAME, got"):
        push(prepare(exported), name, endpoint=hub.address)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "must be JSON"),
        ("[]", "format must be 1, got None"),
        ('{"format": 7}', "format must be 1, got 7; export again"),
        ('{"format": 1, "version": "0.1.0"}', "not a manifest of an export: KeyError"),
        ('{"format": 1, "version": "", "fingerprint": "", "sources": [], "files": {}}', "not a m"),
    ],
)
def test_a_broken_manifest_is_named(copy: Path, content: str, message: str) -> None:
    (copy / "export.json").write_text(content)
    with pytest.raises(SourceError, match=rf"export\.json: {message}"):
        prepare(copy)
