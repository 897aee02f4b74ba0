"""The options of ``stkit pseudo-label``; what it does is in ``command_run.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

from stkit_datasets.pseudo_labels.backends import STAGES, names

# Written out, as importing their homes would slow every command down; a test holds them together.
LAYOUTS = ("plain", "llava_video", "multisports")
MODES = ("default", "paper", "paper_unfiltered")
DOMAINS = ("driving", "sports", "general")
SPLITS = ("train", "validation")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``stkit pseudo-label``, but for those of the engine."""
    parser.add_argument(
        "videos", nargs="*", type=Path, metavar="VIDEO", help="files, folders, or lists (.txt)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    defaults = {"geometry": "depth_anything_3", "metric": None, "semantics": "grounding_dino_sam2"}
    for stage in STAGES:
        default = defaults[stage]
        parser.add_argument(
            f"--{stage}",
            choices=names(stage),
            default=default,
            help=f"backend ({f'default {default}' if default else 'for a geometry without scale'})",
        )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="STAGE.NAME=VALUE",
        help="a setting of a backend, as geometry.image_size=504",
    )
    parser.add_argument(
        "--accept-license",
        action="append",
        default=[],
        metavar="NAME",
        help="say that you accept a licence that restricts the use of weights",
    )
    parser.add_argument(
        "--allow-unpinned",
        action="store_true",
        help="load weights without a pinned revision as they are now",
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 … (default auto)")
    parser.add_argument(
        "--mode", choices=MODES, default="default", help="how tracks are made (default: default)"
    )
    parser.add_argument("--fps", type=float, default=4.0, help="frames labelled a second (4)")
    parser.add_argument("--height", type=int, default=720, help="pictures at most this high (720)")
    parser.add_argument("--prompt", action="append", help="look for this instead; may be repeated")
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="plain",
        help="plain: a folder that bdd100k and custom load; else below the data set's own folder",
    )
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--domain", choices=DOMAINS, default="driving")
    parser.add_argument(
        "--source", help="instead of videos, label the clips of this annotated source"
    )
    parser.add_argument("--data-dir", type=Path, help="the source's official files")
    parser.add_argument(
        "--source-option", action="append", default=[], metavar="NAME=VALUE", help="of the source"
    )


def run(arguments: argparse.Namespace) -> int:
    """Label; returns 1 where a video could not be, else 0."""
    from stkit_datasets.pseudo_labels.command_run import run

    return run(arguments)
