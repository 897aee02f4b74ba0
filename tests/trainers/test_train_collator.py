from __future__ import annotations

from typing import Any

import needs_train
import numpy as np
import pytest

needs_train.skip_if_missing()

import tiny  # noqa: E402
import torch  # noqa: E402

from trainers.collator import Collator  # noqa: E402
from trainers.encoder import IGNORED, Encoder  # noqa: E402
from trainers.samples import Sample, SampleError  # noqa: E402

RNG = np.random.default_rng(0)


def user(text: str, *visuals: str) -> dict[str, Any]:
    return {"role": "user", "content": [*({"type": v} for v in visuals),
                                        {"type": "text", "text": text}]}  # fmt: skip


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def picture(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 255, (height, width, 3), dtype=np.uint8)


def clip(n_frames: int) -> np.ndarray:
    return RNG.integers(0, 255, (n_frames, 48, 64, 3), dtype=np.uint8)


SAMPLES = {
    "text": Sample("text", [user("hi"), assistant("yo"), user("more"), assistant("less")]),
    "video5": Sample("v5", [user("far?", "video"), assistant("3 m")], videos=[clip(5)]),
    "video3": Sample("v3", [user("far?", "video"), assistant("12 m")], videos=[clip(3)]),
    "image": Sample("i", [user("what", "image"), assistant("a car")], images=[picture(40, 70)]),
    "images": Sample("ii", [user("what", "image", "image"), assistant("two")],
                     images=[picture(40, 70), picture(30, 30)]),
}  # fmt: skip


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(tiny.processor())


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny.model().eval()


@pytest.mark.parametrize(
    ("name", "learned"),
    [
        ("text", "yo<|im_end|>less<|im_end|>"),
        ("video5", "3 m<|im_end|>"),
        ("image", "a car<|im_end|>"),
        ("images", "two<|im_end|>"),
    ],
)
def test_labels_cover_exactly_the_answer_tokens(encoder: Encoder, name: str, learned: str) -> None:
    encoded = encoder(SAMPLES[name])
    kept = encoded.labels != IGNORED
    assert encoder.tokenizer.decode(encoded.labels[kept]) == learned
    assert torch.equal(encoded.labels[kept], encoded.input_ids[kept])


def test_the_given_part_is_what_the_model_is_asked_with(encoder: Encoder) -> None:
    sample = SAMPLES["video5"]
    processor = encoder.processor
    text = processor.apply_chat_template(sample.messages[:1], add_generation_prompt=True)
    frames = torch.from_numpy(sample.videos[0]).permute(0, 3, 1, 2)
    asked = processor(text=[text], videos=[frames], do_sample_frames=False, return_tensors="pt")
    encoded = encoder(sample)
    given = encoded.input_ids[encoded.labels == IGNORED]
    assert torch.equal(given, asked["input_ids"][0])
    assert torch.equal(encoded.videos[0], asked["pixel_values_videos"][0])


def test_every_frame_keeps_its_tokens(encoder: Encoder) -> None:
    for n_frames in (1, 7, 40):
        sample = Sample("v", [user("?", "video"), assistant("a")], videos=[clip(n_frames)])
        ids = encoder(sample).input_ids
        visual = int((ids == encoder.processor.video_token_id).sum())
        assert visual == n_frames * tiny.TOKENS_PER_FRAME + 1


def losses(model: Any, collator: Collator, names: list[str]) -> list[float]:
    batch = collator.pad([collator.encoder(SAMPLES[name]) for name in names])
    labels = batch.pop("labels")
    with torch.no_grad():
        logits = model(**batch).logits
    return [
        torch.nn.functional.cross_entropy(row[:-1], wanted[1:], ignore_index=IGNORED).item()
        for row, wanted in zip(logits, labels, strict=True)
    ]


@pytest.mark.parametrize("vision", ["as_is", "any", "both"])
def test_a_batch_of_every_kind_gives_each_sample_its_own_loss(
    model: Any, encoder: Encoder, vision: str
) -> None:
    alone = [losses(model, Collator([], encoder, vision="as_is"), [name])[0] for name in SAMPLES]
    together = losses(model, Collator([], encoder, vision=vision), list(SAMPLES))
    assert together == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("vision", ["any", "both"])
@pytest.mark.parametrize("name", list(SAMPLES))
def test_masked_pictures_change_no_loss_and_reach_the_tower(
    encoder: Encoder, name: str, vision: str
) -> None:
    model = tiny.model()
    batch = Collator([], encoder, vision=vision).pad([encoder(SAMPLES[name])])
    kinds = {"pixel_values", "pixel_values_videos"} & set(batch)
    assert len(kinds) == (2 if vision == "both" else 1)
    loss = model(**batch).loss
    expected = losses(model, Collator([], encoder, vision="as_is"), [name])[0]
    if name != "text":  # a conversation of two answers is averaged over both
        assert loss.item() == pytest.approx(expected, abs=1e-5)
    loss.backward()
    assert model.model.vision_tower.embeddings.patch_embedding.weight.grad is not None


def test_positions_do_not_count_the_frames_that_a_clip_lacks(encoder: Encoder) -> None:
    batch = Collator([], encoder).pad([encoder(SAMPLES["video5"]), encoder(SAMPLES["video3"])])
    short = len(encoder(SAMPLES["video3"]).input_ids)
    positions = batch["position_ids"][1][batch["attention_mask"][1] == 1]
    assert positions.tolist() == list(range(short))
    assert batch["pixel_values_videos"].shape[:2] == (2, 5)


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        (Sample("a", [user("?", "video"), assistant("b")]), "more of <video>"),
        (Sample("a", [user("?"), assistant("b")], videos=[clip(2)]), "more pictures"),
        (Sample("a", [user("?")]), "no answer to learn"),
    ],
)
def test_a_sample_that_does_not_fit_is_told(encoder: Encoder, sample: Sample, says: str) -> None:
    with pytest.raises(SampleError, match=says):
        encoder(sample)


def test_a_processor_with_the_mean_of_another_tower_is_refused() -> None:
    processor = tiny.processor()
    processor.video_processor.image_mean = (0.48145466, 0.4578275, 0.40821073)
    with pytest.raises(ValueError, match=r"0\.5"):
        Encoder(processor)


def test_a_row_without_a_label_stops_the_batch(encoder: Encoder) -> None:
    encoded = encoder(SAMPLES["text"])
    encoded.labels[:] = IGNORED
    with pytest.raises(SampleError, match="have no label"):
        Collator([], encoder).pad([encoded])
