from __future__ import annotations

import math

import needs_train
import pytest

needs_train.skip_if_missing()

import torch  # noqa: E402

from trainers import small_model  # noqa: E402

COLOURS = ["Boxes: red, blue.", "Which one is faster, red or blue?", "It is red."] * 3


@pytest.fixture(scope="module")
def small() -> torch.nn.Module:
    return small_model.model(small_model.SIZES["small"], seed=3)


@pytest.mark.parametrize(
    ("part", "gain"),
    [("language_model.layers.0.self_attn.q_proj.weight", 1.0), ("layers.1.mlp.down_proj", 0.5),
     ("vision_tower.encoder.layers.0.self_attn.k_proj.weight", 1.0),
     ("patch_embedding.weight", 1.0), ("multi_modal_projector.linear_1.weight", 1.0)],
)  # fmt: skip
def test_layers_of_the_small_model_keep_the_variance_of_their_inputs(
    small: torch.nn.Module, part: str, gain: float
) -> None:
    (weight,) = [value for name, value in small.named_parameters() if part in name]
    drawn = weight.std().item() * math.sqrt(weight[0].numel())
    assert drawn == pytest.approx(gain, rel=0.05)


def test_a_seed_is_a_model(small: torch.nn.Module) -> None:
    again, other = (small_model.model(small_model.SIZES["small"], seed) for seed in (3, 4))
    ours, same, another = (next(iter(m.parameters())) for m in (small, again, other))
    assert torch.equal(ours, same)
    assert not torch.equal(ours, another)


def test_a_colour_is_one_token_wherever_it_is_asked_for_or_answered() -> None:
    words = small_model.tokenizer(COLOURS)
    token = words.tokenize(" red")
    assert len(token) == 1
    for sentence in COLOURS[:3]:
        assert token[0] in words.tokenize(sentence)
