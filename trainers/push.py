"""Put a trained model on the Hugging Face Hub, with a card made of what its training wrote down.

    python trainers/push.py --model runs/st_vlm_7b_p2 --repo org/st-vlm-7b \
        --scores STKit-Bench=answers/score.json --dry_run

``--dry_run`` shows the files and the card, after all checks, and contacts nobody. The token is read
from the environment alone. Everything goes in one commit; a push that was cut off is run again.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    # Started by its file name: what is imported lies below the repository, not beside this file.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from stkit_datasets import hub
from stkit_datasets.errors import ConfigError, StkitError
from trainers import staging, training_facts
from trainers.model_card import Published, model_card
from trainers.model_licence import derive, parts_of
from trainers.model_scores import ScoresError, check_model, read_scores

logger = logging.getLogger("trainers.push")

CARD = "README.md"
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_REPLACED = ("model*.safetensors", "model.safetensors.index.json", "adapter_*", "*_config.json",
             "config.json", "pytorch_model*", "chat_template.*", *staging.PROCESSOR)  # fmt: skip


@dataclass(frozen=True)
class Push:
    """What to publish and where.

    Attributes:
        model: the output folder of a training.
        repository: ``ORG/NAME``; made if it is not there.
        scores: files of ``stkit-bench score --out``, each ``FILE`` or ``NAME=FILE``.
        private: make it private; an existing repository keeps what it is.
        merge: write an adapter into its base model's weights.
        licence: of the weights, where it cannot be told from what they are made from.
        answered_as: the name under which an endpoint served the model that was scored.
        token_env: the environment variable with the token.
        endpoint: another address than the public Hub's.
    """

    model: Path
    repository: str
    scores: Sequence[str] = ()
    private: bool = False
    merge: bool = False
    licence: str | None = None
    answered_as: str | None = None
    token_env: str = hub.DEFAULT_TOKEN_ENV
    endpoint: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.repository):
            raise ConfigError(f"the model must be named ORG/NAME, got {self.repository!r}")

    @property
    def names(self) -> frozenset[str]:
        """What answers may call the model."""
        served = (self.answered_as,) if self.answered_as else ()
        name = self.repository.rpartition("/")[2]
        return frozenset({self.model.resolve().name, self.repository, name, *served})


@dataclass
class Prepared:
    """What would go to the Hub.

    Attributes:
        folder: holds it, for as long as ``prepared`` is open.
        card: the text of its README.
        left: files of the run that stay where they are.
    """

    folder: Path
    card: str
    left: list[str] = field(default_factory=list)

    @property
    def files(self) -> dict[str, int]:
        """Path in the repository -> bytes, sorted."""
        return {path.name: path.stat().st_size for path in sorted(self.folder.iterdir())}

    def to_text(self) -> str:
        """Return the files, what is left out, and the card, as lines for a terminal."""
        lines = [f"{size:>15,}  {name}" for name, size in self.files.items()]
        lines.append(f"{sum(self.files.values()):>15,}  bytes in {len(self.files)} files")
        if self.left:
            lines += ["", f"stays here: {', '.join(self.left)}"]
        return "\n".join([*lines, "", self.card])


@contextmanager
def prepared(asked: Push) -> Iterator[Prepared]:
    """Check a model, write its card, and yield a folder of what belongs on the Hub.

    Contacts nobody, but for the base model of an adapter where that is not in the cache.

    Raises:
        FactsError, ScoresError, StkitError: something is missing or wrong; the message names it.
    """
    facts = training_facts.read(asked.model)
    licence = derive(parts_of(facts), asked.licence)
    scores = [read_scores(given) for given in asked.scores]
    for scored in scores:
        check_model(scored, asked.names)
    # Beside the weights: merged ones are as large, and links stay on one disk.
    with tempfile.TemporaryDirectory(prefix=".push-", dir=asked.model) as name:
        folder = Path(name)
        staging.stage(asked.model, folder, facts, merge=asked.merge)
        parameters, dtype = staging.check(folder)
        published = Published(
            asked.repository, staging.is_adapter(folder), asked.merge, parameters, dtype
        )
        card = model_card(facts, published, licence, scores)
        (folder / CARD).write_text(card, encoding="utf-8")
        kept = {path.name for path in folder.iterdir()}
        left = [path.name for path in sorted(asked.model.iterdir())
                if path.name not in kept and path.name != folder.name]  # fmt: skip
        yield Prepared(folder, card, left)


def push(asked: Push) -> str:
    """Check and upload a model, and return its address.

    Raises:
        PushError: the Hub refused, or could not be reached. No message holds the token.
        FactsError, ScoresError, StkitError: see ``prepared``.
    """
    token = hub.token_from(asked.token_env)
    with prepared(asked) as ready:
        return _upload(asked, ready, token)


def _upload(asked: Push, ready: Prepared, token: str) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    name = asked.repository
    api = HfApi(endpoint=asked.endpoint, token=token, library_name="stkit")
    again = "run the command again"
    with hub.refusals_told(name, "model", token, asked.token_env, again):
        api.create_repo(name, private=asked.private, exist_ok=True)
        there = api.list_repo_files(name)
        # Weights of an earlier push under other names would be loaded, too.
        old = [file for file in there if file not in ready.files
               and any(fnmatch(file, pattern) for pattern in _REPLACED)]  # fmt: skip
        operations: list[CommitOperationDelete | CommitOperationAdd] = [
            *(CommitOperationDelete(file) for file in old),
            *(CommitOperationAdd(file, str(ready.folder / file)) for file in ready.files),
        ]
        # `upload_folder` may make several commits, and half a model be there in between.
        api.create_commit(name, operations, commit_message="Model, processor and card")
    return f"{api.endpoint}/{name}"


# --- from a recipe ----------------------------------------------------------------------------


def from_settings(args: Any) -> Push | None:
    """Take over ``push_to_hub`` of a recipe: None, or what to publish at the end of the run.

    The trainer itself pushes a folder with logs and settings in it, at every checkpoint, and no
    card of ours; so its own setting is turned off here.

    Raises:
        ConfigError: a setting of the Hub that is not followed here, or no name, or no token.
    """
    if not args.push_to_hub:
        return None
    args.push_to_hub = False
    if args.hub_token is not None:
        raise ConfigError("hub_token is not read from a recipe; set the environment variable "
                          f"{hub.DEFAULT_TOKEN_ENV}")  # fmt: skip
    strategy = str(getattr(args.hub_strategy, "value", args.hub_strategy))
    if strategy not in ("every_save", "end") or args.hub_always_push or args.hub_revision:
        raise ConfigError(
            "push_to_hub publishes the finished model; leave hub_strategy, hub_always_push and "
            "hub_revision out, or use trainers/push.py"
        )
    if not args.hub_model_id:
        raise ConfigError("push_to_hub needs hub_model_id: ORG/NAME")
    if args.process_index == 0:
        hub.token_from(hub.DEFAULT_TOKEN_ENV)
    return Push(Path(args.output_dir), args.hub_model_id, private=bool(args.hub_private_repo))


def check_before_training(facts: training_facts.Facts, model_args: Any) -> None:
    """Refuse before the work what could not be published after it.

    Raises:
        ConfigError: the licence or the base model's commit cannot be told, or an adapter's base
            model is a folder.
    """
    try:
        derive(parts_of(facts))
        if facts["base"]["revision"] is None:
            raise ConfigError("the commit of the base model is not in the cache of the Hub")
        if model_args.use_peft and facts["base"]["kind"] != "hub":
            raise ConfigError("an adapter of a base model in a folder has to be merged first")
    except ConfigError as error:
        raise ConfigError(
            f"push_to_hub: {error}. Train without push_to_hub, then use trainers/push.py"
        ) from error


# --- the command ------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish a model, or show what would be published; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="output folder of a training")
    parser.add_argument("--repo", required=True, metavar="ORG/NAME")
    parser.add_argument("--scores", nargs="+", action="extend", default=[], metavar="[NAME=]FILE",
                        help="of `stkit-bench score --out`; NAME says which questions")  # fmt: skip
    parser.add_argument("--private", action="store_true", help="make the repository private")
    parser.add_argument("--merge", action="store_true", help="write an adapter into its base model")
    parser.add_argument("--license", metavar="NAME", help="the Hub's identifier, where it is not "
                        "known what the model may be published under")  # fmt: skip
    parser.add_argument("--answered_as", metavar="NAME", help="the name under which an endpoint "
                        "served the model that was scored, where it was another")  # fmt: skip
    parser.add_argument("--token_env", default=hub.DEFAULT_TOKEN_ENV, metavar="NAME",
                        help="environment variable with the token (default: HF_TOKEN)")  # fmt: skip
    parser.add_argument("--dry_run", action="store_true", help="show, and upload nothing")
    given = parser.parse_args(arguments)
    try:
        asked = Push(
            given.model, given.repo, given.scores, private=given.private, merge=given.merge,
            licence=given.license, answered_as=given.answered_as, token_env=given.token_env,
        )  # fmt: skip
        if given.dry_run:
            with prepared(asked) as ready:
                sys.stdout.write(f"{ready.to_text()}\nwould go to {asked.repository}\n")
        else:
            sys.stdout.write(f"{push(asked)}\n")
    except (StkitError, ScoresError, training_facts.FactsError) as error:
        sys.stderr.write(f"push: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
