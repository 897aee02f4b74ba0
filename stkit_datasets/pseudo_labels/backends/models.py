"""Which weights the backends load: the one table of ids, revisions and licences.

No weights are in the package. What may not be used freely is loaded only by who accepts its
licence by name. The terms stand in ``docs/licences.md``; the owner's current text decides.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import resources

from stkit_datasets.errors import ConfigError


@dataclass(frozen=True)
class Model:
    """One set of weights.

    Attributes:
        name: the name that a backend's option ``model`` takes.
        repository: where it is published: on the Hugging Face Hub, or for Metric3D on GitHub.
        revision: the commit that is loaded; None where the table has none: then a user names one
            by the backend's option ``revision``, or says that the newest may be loaded.
        licence: SPDX identifier, or the name that the owner uses.
        free: whether use, also commercial, is allowed to anybody without a further agreement.
        page: where the licence can be read.
    """

    name: str
    repository: str
    revision: str | None
    licence: str
    free: bool
    page: str

    @property
    def pinned_by(self) -> str:
        """How a user pins it."""
        if self.name == "monst3r":
            return "--option geometry.weights_sha256=… and geometry.weights=FILE"
        return "--option STAGE.revision=COMMIT"


@cache
def models() -> dict[str, Model]:
    """Return the table, by name."""
    text = resources.files(__package__).joinpath("models.json").read_text(encoding="utf-8")
    return {name: Model(name, **fields) for name, fields in json.loads(text).items()}


def model(name: str, choices: Collection[str]) -> Model:
    """Return one model.

    Raises:
        ConfigError: the backend has no such model.
    """
    if name not in choices:
        raise ConfigError(f"model must be one of {', '.join(sorted(choices))}, got {name!r}")
    return models()[name]


def check_accepted(model: Model, accepted: Collection[str]) -> None:
    """Refuse weights under a restrictive licence that the user has not accepted by name.

    Raises:
        ConfigError: the message names the licence and how to accept it.
    """
    if not model.free and model.licence not in accepted:
        raise ConfigError(
            f"{model.repository} is under {model.licence}, which restricts its use "
            f"({model.page}); read it, then add --accept-license {model.licence}"
        )


def check_pinned(model: Model, revision: str | None, allow_unpinned: bool) -> None:
    """Refuse weights that may be others tomorrow, unless the user has said that they may.

    Args:
        model: one of the table.
        revision: what the user has pinned: a commit, or the SHA-256 of a file.
        allow_unpinned: whether the user takes whatever is there.

    Raises:
        ConfigError: the message says how to pin them.
    """
    if model.revision is not None or revision is not None or allow_unpinned:
        return
    raise ConfigError(
        f"{model.repository} has no pinned revision here, so that its weights may change from run "
        f"to run; name one ({model.pinned_by}), or add --allow-unpinned"
    )
