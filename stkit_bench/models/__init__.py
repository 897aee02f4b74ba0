"""Who answers: baselines that see no video, and models."""

from stkit_bench.models.answerer import Answerer, Row

__all__ = ["Answerer", "Row"]
