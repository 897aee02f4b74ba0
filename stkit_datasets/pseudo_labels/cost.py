"""What labelling cost: seconds for each 20 s of video; decoding, models, our own work apart."""

from __future__ import annotations

from collections.abc import Sequence

from stkit_datasets.pseudo_labels.footage import WINDOW_S
from stkit_datasets.pseudo_labels.labeller import DECODING, MODEL_STAGES, OWN_STAGES, Outcome


def cost_per_window(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return stage -> seconds for each 20 s of video, over what this run has labelled.

    ``models`` and ``own`` are sums; empty where nothing was done.
    """
    worked = [outcome for outcome in outcomes if outcome.seconds]
    windows = sum(outcome.video_s for outcome in worked) / WINDOW_S
    if not windows:
        return {}
    stages = {
        stage: sum(outcome.seconds.get(stage, 0.0) for outcome in worked) / windows
        for stage in (DECODING, *MODEL_STAGES, *OWN_STAGES)
    }
    return {
        **stages,
        "models": sum(stages[name] for name in MODEL_STAGES),
        "own": sum(stages[name] for name in OWN_STAGES),
    }


def cost_text(outcomes: Sequence[Outcome]) -> str:
    """Say it in a few lines."""
    cost = cost_per_window(outcomes)
    if not cost:
        return "cost: nothing was left to do"
    lines = [f"seconds for each {WINDOW_S:g} s of video:", f"  {DECODING} {cost[DECODING]:.3f}"]
    for name, stages in (("models", MODEL_STAGES), ("own", OWN_STAGES)):
        parts = ", ".join(f"{stage} {cost[stage]:.3f}" for stage in stages)
        lines.append(f"  {name} {cost[name]:.3f} ({parts})")
    return "\n".join(lines)
