"""What each source's licence lets a user pass on: the one table that exports and cards follow.

The terms and where they were read stand in ``docs/licences.md``, which a test holds to this table.
The owner's current text decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from stkit_datasets.errors import ConfigError


class Sharing(StrEnum):
    """How far something made from a source may be passed on."""

    FREE = "free"
    SAME_LICENCE = "non-commercial, with attribution, under the same licence"
    OWNER = "only as the agreement with the data's owner allows"


@dataclass(frozen=True)
class Licence:
    """The terms of one source.

    Attributes:
        title: the data set's name.
        label: the Hub's identifier of the licence for a card, ``other`` where it has none.
        terms: the licence in words, as ``docs/licences.md`` has them.
        rows: how rows without video may be passed on.
        video: whether frames and video may be passed on to anybody; where not, an export leaves
            them out unless the user names the source.
    """

    title: str
    label: str
    terms: str
    rows: Sharing
    video: bool = False


_MOTIONAL = "CC BY-NC-SA 4.0 with Motional's terms"

LICENCES: dict[str, Licence] = {
    "argoverse2": Licence(
        "Argoverse 2 Sensor Dataset", "cc-by-nc-sa-4.0", "CC BY-NC-SA 4.0", Sharing.SAME_LICENCE
    ),
    "bdd100k": Licence(
        "BDD100K", "other", "the licence of the Regents of the University of California",
        Sharing.OWNER,
    ),
    "custom": Licence("data of your own", "other", "the terms of its owner", Sharing.OWNER),
    "ego_exo4d": Licence(
        "Ego-Exo4D", "other", "a licence agreement that each user signs", Sharing.OWNER
    ),
    "gta": Licence(
        "Playing for Benchmarks", "other", "research and education only", Sharing.OWNER
    ),
    "llava_video": Licence(
        "LLaVA-Video-178K", "other", "academic research and education only", Sharing.OWNER
    ),
    "multisports": Licence("MultiSports", "cc-by-nc-4.0", "CC BY-NC 4.0", Sharing.SAME_LICENCE),
    "nuplan": Licence("nuPlan", "cc-by-nc-sa-4.0", _MOTIONAL, Sharing.SAME_LICENCE),
    "nuscenes": Licence("nuScenes", "cc-by-nc-sa-4.0", _MOTIONAL, Sharing.SAME_LICENCE),
    "simulation": Licence(
        "STKit's simulated scenes", "apache-2.0", "Apache-2.0", Sharing.FREE, video=True
    ),
    "vkitti2": Licence(
        "Virtual KITTI 2", "cc-by-nc-sa-3.0", "CC BY-NC-SA 3.0", Sharing.SAME_LICENCE
    ),
    "waymo": Licence(
        "Waymo Open Dataset", "other", "Waymo's own non-commercial licence agreement",
        Sharing.OWNER,
    ),
}  # fmt: skip
"""Source -> terms. A source without an entry cannot be exported."""


def licence(source: str) -> Licence:
    """Return the terms of a source.

    Raises:
        ConfigError: nobody has read this source's terms yet.
    """
    if source not in LICENCES:
        raise ConfigError(
            f"the licence of source {source!r} is not known; expected one of {', '.join(LICENCES)}"
        )
    return LICENCES[source]


def agreement(source: str) -> str:
    """What a user vouches for who has video of a restricted source exported."""
    terms = licence(source)
    return (
        f"--include-video {source}: you say that you may pass on video of {terms.title}, which is "
        f"under {terms.terms}; whoever gets this export is bound by those terms too"
    )


def labels(sources: Iterable[str]) -> list[str]:
    """The Hub's licence identifiers of several sources together, sorted."""
    return sorted({licence(source).label for source in sources})


def export_table() -> str:
    """What an export holds of every source, as a table in Markdown."""
    lines = [
        "| source | licence on the card | rows may be passed on | video |",
        "|---|---|---|---|",
    ]
    for name, terms in sorted(LICENCES.items()):
        video = "in" if terms.video else f"left out unless `--include-video {name}`"
        lines.append(f"| `{name}` | `{terms.label}` | {terms.rows} | {video} |")
    return "\n".join(lines)
