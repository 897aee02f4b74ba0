"""The adapters run networks of the true classes, tiny and with random weights, on a CPU."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_models
from tiny_models import clip, geometry

from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.interfaces import PROMPTS

torch = pytest.importorskip("torch", reason="needs the extra `models`")
pytest.importorskip("transformers", reason="needs the extra `models`")
pytest.importorskip("torchvision", reason="processors need torchvision")

from stkit_datasets.pseudo_labels.backends.grounding_dino import GroundingDino  # noqa: E402
from stkit_datasets.pseudo_labels.backends.grounding_dino_sam2 import (  # noqa: E402
    GroundingDinoSam2,
    GroundingDinoSam2Options,
)
from stkit_datasets.pseudo_labels.backends.metric_depth import (  # noqa: E402
    DepthAnythingMetric,
    DepthAnythingOptions,
    DepthPro,
    DepthProOptions,
)
from stkit_datasets.pseudo_labels.backends.sam3 import Sam3, Sam3Options  # noqa: E402
from stkit_datasets.pseudo_labels.backends.torch_tools import torch_device  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def counting(network):
    """Note how many pictures each call gets."""
    sizes = []
    network.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    return sizes


def test_depth_pro_gives_metres_and_focal_lengths():
    network, processor = tiny_models.depth_pro()
    sizes = counting(network)
    options = DepthProOptions(max_frames=3, batch_size=2)
    own = clip()
    found = DepthPro(network, processor, options, CPU, "depth_pro").estimate(own, geometry())
    assert sizes == [2, 1]
    assert found.frames.tolist() == [0, 2, 3]
    assert found.depths_m.dtype == np.float32
    assert found.depths_m.shape[0] == 3
    assert ((found.depths_m >= 1e-4) & (found.depths_m <= 1e4)).all()
    assert found.focal_px.shape == (3,)
    # What transformers makes of the same output for a picture of the full size.
    inputs = processor(images=list(own.images[[0]]), return_tensors="pt")
    with torch.inference_mode():
        output = network(**inputs)
    output.field_of_view = output.field_of_view.clamp(1.0, 179.0)
    size = (own.height_px, own.width_px)
    theirs = processor.post_process_depth_estimation(output, target_sizes=[size])[0]
    assert found.focal_px[0] == pytest.approx(float(theirs["focal_length"]), rel=1e-4)
    # They scale to the picture's size first, which leaves the mean of inverse depth as it is.
    mean = np.mean(1 / theirs["predicted_depth"].numpy())
    assert np.mean(1 / found.depths_m[0]) == pytest.approx(mean, rel=0.05)


def test_depth_pro_without_its_own_field_of_view_takes_the_geometry():
    network, processor = tiny_models.depth_pro(fov=False)
    backend = DepthPro(network, processor, DepthProOptions(max_frames=1), CPU, "depth_pro")
    near = backend.estimate(clip(), geometry(focal_px=100.0))
    far = backend.estimate(clip(), geometry(focal_px=200.0))
    assert near.focal_px is None
    inner = near.depths_m < 1e3  # beyond, the network's bounds cut
    assert inner.mean() > 0.1
    assert far.depths_m[inner] / near.depths_m[inner] == pytest.approx(2, rel=1e-3)


def test_depth_anything_gives_metres():
    network, processor = tiny_models.depth_anything()
    sizes = counting(network)
    options = DepthAnythingOptions(max_frames=5, batch_size=3)
    found = DepthAnythingMetric(network, processor, options, CPU, "x").estimate(clip(), geometry())
    assert sizes == [3, 1]
    assert found.frames.tolist() == [0, 1, 2, 3]
    assert found.depths_m.shape == (4, 42, 56)
    assert ((found.depths_m >= 0) & (found.depths_m <= 80)).all()


def test_depth_anything_must_be_metric():
    network, processor = tiny_models.depth_anything("relative")
    with pytest.raises(ConfigError, match="relative depth; expected a metric model"):
        DepthAnythingMetric(network, processor, DepthAnythingOptions(), CPU, "x")


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    return tiny_models.grounding_dino(tmp_path_factory.mktemp("dino"))


def test_grounding_dino_finds_boxes_in_batches(dino):
    network, processor = dino
    sizes = counting(network)
    detector = GroundingDino(network, processor, CPU, 3, 0.0, 0.0)
    found = list(detector.detect(clip().images, PROMPTS))
    assert sizes == [3, 1]
    assert len(found) == 4
    for boxes in found:
        assert len(boxes) > 0
        assert set(boxes.categories) <= set(PROMPTS)
        assert ((boxes.boxes >= 0) & (boxes.boxes <= 1)).all()
        assert (boxes.boxes[:, 2:] > boxes.boxes[:, :2]).all()
        assert (np.diff(boxes.box_confidences) <= 0).all()
        assert (boxes.text_confidences <= boxes.box_confidences + 1e-9).all()
    assert all(
        len(boxes) == 0 for boxes in detector_above(dino, 1.1).detect(clip().images, PROMPTS)
    )


def detector_above(dino, confidence):
    return GroundingDino(*dino, CPU, 4, confidence, 0.0)


def test_grounding_dino_scores_a_prompt_of_several_tokens_by_all_of_them(dino):
    network, processor = dino
    detector = GroundingDino(network, processor, CPU)
    ids = processor.tokenizer("car. firetruck. bus.")["input_ids"]
    # [CLS] car . fire ##truck . bus . [SEP]
    assert detector._token_spans(ids, ["car", "firetruck", "bus"]) == [[1], [3, 4], [6]]
    scores = np.zeros((1, 9))
    scores[0, [1, 3, 4, 6]] = 0.5, 0.9, 0.7, 0.6
    boxes = np.array([[0.5, 0.5, 0.2, 0.4]])
    found = detector._chosen(scores, boxes, [[1], [3, 4], [6]], ["car", "firetruck", "bus"])
    assert found.categories == ("firetruck",)
    assert found.box_confidences == pytest.approx([0.9])
    assert found.text_confidences == pytest.approx([0.8])
    assert found.boxes == pytest.approx(np.array([[0.4, 0.3, 0.6, 0.7]]))


class TwoBoxes:
    """A detector that finds the same two boxes in every picture."""

    def detect(self, images, prompts):
        from stkit_datasets.pseudo_labels.backends.grounding_dino import Boxes

        boxes = np.array([[0.1, 0.1, 0.5, 0.6], [0.6, 0.3, 0.9, 0.9]])
        for _ in images:
            yield Boxes(boxes, ("car", "person"), np.array([0.9, 0.8]), np.array([0.7, 0.6]))


def test_sam2_follows_masks_through_the_clip():
    network, processor = tiny_models.sam2()
    options = GroundingDinoSam2Options(detect_every=3)
    backend = GroundingDinoSam2(TwoBoxes(), network, processor, options, CPU, "x")
    found = backend.find(clip(4))
    assert found.instances.shape == (4, 48, 64)
    assert (found.width_px, found.height_px) == (128, 96)
    assert found.instances.dtype == np.int16
    assert len(found) >= 1
    assert set(found.categories) <= {"car", "person"}
    seen = np.isfinite(found.boxes_px[..., 0])
    assert seen.any(axis=1).all()
    assert (np.isfinite(found.box_confidences) == seen).all()
    for number in range(len(found)):
        for frame in np.flatnonzero(seen[number]):
            rows, columns = np.nonzero(found.instances[frame] == number)
            box = [columns.min() * 2, rows.min() * 2, columns.max() * 2 + 2, rows.max() * 2 + 2]
            assert found.boxes_px[number, frame].tolist() == box


def test_nothing_found_is_no_error(dino):
    network, processor = tiny_models.sam2()
    backend = GroundingDinoSam2(
        detector_above(dino, 1.1), network, processor, GroundingDinoSam2Options(), CPU, "x"
    )
    found = backend.find(clip(2))
    assert len(found) == 0
    assert (found.instances == -1).all()


def test_sam3_finds_and_follows(tmp_path):
    network, processor = tiny_models.sam3(tmp_path)
    found = Sam3(network, processor, Sam3Options(), CPU, "sam3").find(clip(2), ["car", "person"])
    assert found.instances.shape == (2, 48, 64)
    assert len(found) >= 1
    assert set(found.categories) <= {"car", "person"}
    seen = np.isfinite(found.boxes_px[..., 0])
    assert ((found.box_confidences[seen] >= 0) & (found.box_confidences[seen] <= 1)).all()


def test_a_device_that_is_not_there_is_refused():
    assert torch_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="not known"):
        torch_device("abacus")
    if not torch.cuda.is_available():
        assert torch_device("auto").type == "cpu"
        with pytest.raises(ConfigError, match="torch sees no GPU"):
            torch_device("cuda:0")
