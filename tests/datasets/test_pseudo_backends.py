from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass

import pytest
from tiny_models import clip, geometry

from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels import backends
from stkit_datasets.pseudo_labels.backends import BACKENDS, BackendSpec, check_backend, open_backend
from stkit_datasets.pseudo_labels.backends.models import (
    check_accepted,
    check_pinned,
    model,
    models,
)
from stkit_datasets.pseudo_labels.interfaces import PROMPTS


def test_the_table_names_all_backends():
    assert backends.names("geometry") == ("monst3r", "depth_anything_3", "precomputed")
    expected = "metric3d depth_pro depth_anything_metric precomputed"
    assert backends.names("metric") == tuple(expected.split())
    assert backends.names("semantics") == ("grounding_dino_sam2", "sam3", "precomputed")


@pytest.mark.parametrize("key", BACKENDS, ids=lambda key: "-".join(key))
def test_every_entry_leads_to_an_adapter_with_options(key):
    entry = BACKENDS[key]
    adapter = backends._adapter(entry)
    assert is_dataclass(adapter.Options)
    assert callable(adapter.open)
    assert callable(adapter.find if key[0] == "semantics" else adapter.estimate)
    assert {*entry.models, *entry.also} <= models().keys()
    if entry.modules:
        assert "pip install" in entry.install
    names = {field.name for field in fields(adapter.Options)}
    if len(entry.models) > 1:
        assert "model" in names


def test_prompts_are_the_papers():
    expected = "bus car vehicle human automobile person animal bicycle motorcycle truck"
    assert tuple(expected.split()) == PROMPTS


def test_revisions_are_commits_and_licences_are_named():
    for entry in models().values():
        assert entry.revision is None or re.fullmatch("[0-9a-f]{40}", entry.revision)
        assert entry.licence
        assert entry.page.startswith("https://")


def test_restricted_weights_are_asked_for_by_name():
    with pytest.raises(ConfigError, match="--accept-license apple-amlr"):
        check_accepted(models()["depth_pro"], ())
    check_accepted(models()["depth_pro"], ("apple-amlr",))
    check_accepted(models()["sam2_large"], ())


@pytest.mark.parametrize("name", ["depth_pro", "depth_anything_metric_outdoor_large", "monst3r"])
def test_weights_without_a_pinned_revision_are_asked_for(name):
    with pytest.raises(ConfigError, match=r"no pinned revision here.*add --allow-unpinned"):
        check_pinned(models()[name], None, allow_unpinned=False)
    check_pinned(models()[name], "0" * 40, allow_unpinned=False)
    check_pinned(models()[name], None, allow_unpinned=True)
    assert models()[name].revision is None


def test_pinned_weights_need_no_more_words():
    check_pinned(models()["sam2_large"], None, allow_unpinned=False)


def test_unpinned_weights_are_refused_before_anything_is_loaded(tmp_path):
    options = {"checkout": str(tmp_path)}
    accepted = ("CC-BY-NC-SA-4.0",)
    with pytest.raises(ConfigError, match=r"geometry\.weights_sha256"):
        check_backend(BackendSpec("geometry", "monst3r", options, accepted))
    check_backend(BackendSpec("geometry", "monst3r", options, accepted, allow_unpinned=True))
    named = {**options, "weights_sha256": "0" * 64}
    check_backend(BackendSpec("geometry", "monst3r", named, accepted))


def test_a_model_of_another_backend_is_refused():
    with pytest.raises(ConfigError, match=r"model must be one of a, b, got 'sam3'"):
        model("sam3", ("b", "a"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (BackendSpec("geometry", "vggt"), "geometry must be one of monst3r, .*, got 'vggt'"),
        (BackendSpec("geometry", "precomputed", {"dir": "x"}), "no option dir; .* folder"),
        (BackendSpec("geometry", "precomputed"), "folder"),
        (BackendSpec("geometry", "precomputed", {"folder": "/none"}), "folder of archives"),
        (BackendSpec("geometry", "monst3r", {"checkout": "x"}), "accept-license CC-BY-NC-SA-4.0"),
    ],
)
def test_wrong_choices_say_what_is_right(spec, message):
    with pytest.raises(ConfigError, match=message):
        open_backend(spec)


@pytest.mark.parametrize(
    ("name", "install"),
    [("depth_anything_3", "--no-deps depth-anything-3==0.1.1"), ("monst3r", "pillow")],
)
def test_a_missing_package_says_what_to_install(name, install, monkeypatch):
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs .*pip install") as caught:
        check_backend(BackendSpec("geometry", name))
    assert install in str(caught.value)


def test_licences_are_in_the_documentation(request):
    text = (request.config.rootpath / "docs" / "licences.md").read_text(encoding="utf-8")
    for entry in models().values():
        row = next((line for line in text.splitlines() if f"`{entry.repository}`" in line), "")
        assert entry.licence in row, entry.repository


def test_the_table_is_plain_json():
    path = backends.__path__[0] + "/models.json"
    with open(path, encoding="utf-8") as file:
        assert list(json.load(file)) == list(models())


def test_metric3d_depth_goes_with_the_focal_length():
    torch = pytest.importorskip("torch")
    from stkit_datasets.pseudo_labels.backends.metric3d import Metric3d, Metric3dOptions

    class Network(torch.nn.Module):
        """Ten metres everywhere to a camera with the canonical focal length."""

        sizes: list[int] = []  # noqa: RUF012

        def inference(self, inputs):
            pictures = inputs["input"]
            assert pictures.shape[1:] == (3, 616, 1064)
            self.sizes.append(len(pictures))
            depth = torch.full((len(pictures), 1, 616, 1064), 10.0)
            return depth, depth, {}

    options = Metric3dOptions(max_frames=3, batch_size=2)
    found = Metric3d(Network(), options, torch.device("cpu"), "metric3d").estimate(
        clip(), geometry()
    )
    # 48x64 pixels are scaled by 616/48 to 616x821; of 100 px at 128 px width that makes
    # a focal length of 100 * 821 / 128 px, against the canonical 1000.
    assert Network.sizes == [2, 1]
    assert found.depths_m.shape == (3, 616, 821)
    assert found.depths_m == pytest.approx(10 * 100 * 821 / 128 / 1000)
    assert found.focal_px is None


def test_metric3d_says_that_it_needs_a_gpu():
    pytest.importorskip("torch")
    from stkit_datasets.pseudo_labels.backends.metric3d import Metric3d, Metric3dOptions

    with pytest.raises(ConfigError, match="NVIDIA GPU only"):
        Metric3d.open(Metric3dOptions(), backends.Context(device="cpu"))
