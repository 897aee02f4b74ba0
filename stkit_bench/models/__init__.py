"""Who answers: baselines that see no video, models in process, models behind an endpoint."""

from stkit_datasets.model_clients.answerer import Answerer, Row
from stkit_datasets.model_clients.base import (
    Failure,
    Model,
    ModelError,
    Reply,
    Request,
    Turn,
    VideoPart,
)

__all__ = [
    "Answerer",
    "Failure",
    "Model",
    "ModelError",
    "Reply",
    "Request",
    "Row",
    "Turn",
    "VideoPart",
]
