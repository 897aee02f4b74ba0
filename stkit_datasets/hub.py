"""An export sent to the Hugging Face Hub, after a look at what would go."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stkit_datasets.built import row_files
from stkit_datasets.errors import ConfigError, SourceError, StkitError
from stkit_datasets.licences import LICENCES, Sharing, licence
from stkit_datasets.manifest import CARD, MANIFEST, Manifest

DEFAULT_TOKEN_ENV = "HF_TOKEN"

_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_IGNORED = (".cache", ".huggingface")  # what clients of the Hub leave in a folder


class PushError(StkitError):
    """The Hub refused, or could not be reached."""


@dataclass(frozen=True)
class Upload:
    """What would go to the Hub.

    Attributes:
        folder: the export.
        files: path in the repository -> bytes, sorted.
        manifest: what the export says of itself.
    """

    folder: Path
    files: dict[str, int]
    manifest: Manifest

    def to_text(self) -> str:
        """Return the files with their sizes, and the total, as lines for a terminal."""
        lines = [f"{size:>15,}  {name}" for name, size in self.files.items()]
        total = sum(self.files.values())
        return "\n".join([*lines, f"{total:>15,}  bytes in {len(self.files)} files"])


def prepare(folder: Path) -> Upload:
    """Check that a folder is a finished export and holds no video that must not leave.

    Contacts nobody.

    Raises:
        SourceError: the folder is not an export, something was added, changed or left out, or
            video of a restricted source is in it that nobody vouched for.
    """
    manifest = Manifest.read(folder)
    found = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in _IGNORED
    }
    for name in found:
        if name not in (CARD, MANIFEST) and name not in manifest.files:
            raise SourceError(folder / name, "not part of the export; a published folder is data "
                              "and card only")  # fmt: skip
    for name, size in manifest.files.items():
        if name not in found:
            raise SourceError(folder / name, "missing; export again")
        if found[name] != size:
            rule = f"must have the {size} bytes of the export, has {found[name]}; export again"
            raise SourceError(folder / name, rule)
    if CARD not in found:
        raise SourceError(folder / CARD, "missing; export again")
    _check_video(folder, manifest)
    return Upload(folder, found, manifest)


def _check_video(folder: Path, manifest: Manifest) -> None:
    """Look into the files themselves: a manifest can be edited."""
    for source, files in row_files(folder).items():
        named = source in manifest.sources and manifest.sources[source].named
        if source in LICENCES and (licence(source).video or named):
            continue
        for file in files:
            if file.has_video:
                raise SourceError(
                    file.path,
                    f"holds video of {source!r}, whose licence does not let it be passed on; "
                    f"export again, and name it with --include-video {source} if you may",
                )


def push(
    upload: Upload,
    repository: str,
    *,
    private: bool = False,
    share: tuple[str, ...] = (),
    token_env: str = DEFAULT_TOKEN_ENV,
    endpoint: str | None = None,
) -> str:
    """Upload an export; one that was cut off goes on where it was when called again.

    Args:
        upload: what ``prepare`` has checked.
        repository: ``ORG/NAME``; made if it is not there.
        private: make it private; an existing repository keeps what it is.
        share: sources under an agreement with their owner, named by a user who may publish rows.
        token_env: the environment variable with the token.
        endpoint: another address than the public Hub's.

    Returns:
        The address of the data set.

    Raises:
        ConfigError: the name is none, there is no token, or a source must be named first.
        PushError: the Hub refused, or could not be reached. No message holds the token.
    """
    check_target(upload, repository, private=private, share=share)
    token = token_from(token_env)
    # Imported here: a look at what would go needs no client.
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint, token=token, library_name="stkit")
    again = "run the command again to go on"
    with refusals_told(repository, "data set", token, token_env, again):
        api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=upload.folder,
            allow_patterns=list(upload.files),
            # Shards of an earlier push under other numbers would be read as rows too.
            delete_patterns=["*.parquet"],
            commit_message=f"Export of STKit {upload.manifest.version}",
        )
    return f"{api.endpoint}/datasets/{repository}"


def check_target(
    upload: Upload, repository: str, *, private: bool = False, share: tuple[str, ...] = ()
) -> None:
    """Check where to publish and what; contacts nobody.

    Raises:
        ConfigError: the name is none, or a source must be named first.
    """
    if not _NAME.fullmatch(repository):
        raise ConfigError(f"the data set must be named ORG/NAME, got {repository!r}")
    for source in upload.manifest.sources:
        if licence(source).rows is Sharing.OWNER and not private and source not in share:
            raise ConfigError(
                f"rows of {source!r} are under {licence(source).terms} and may be published "
                f"{Sharing.OWNER}; push with --private, or name it with --share {source} if you may"
            )


def token_from(name: str) -> str:
    """Return the token of the Hub in an environment variable.

    Raises:
        ConfigError: the variable is not set, or is blank.
    """
    token = os.environ.get(name, "").strip()
    if not token:
        raise ConfigError(f"no token: set the environment variable {name} to one that can write")
    return token


@contextmanager
def refusals_told(
    repository: str, kind: str, token: str, token_env: str, again: str
) -> Iterator[None]:
    """Turn what the Hub's client raises in the block into errors that do not hold the token.

    Args:
        repository: ``ORG/NAME``.
        kind: what it is, ``data set`` or ``model``.
        token: which messages leave out.
        token_env: the environment variable that it is from.
        again: what to do when the Hub could not be reached.

    Raises:
        ConfigError: the name is not one that the Hub takes.
        PushError: the Hub refused, or could not be reached.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except HFValidationError as error:
        raise ConfigError(f"the {kind}'s name is not one that the Hub takes: {error}") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        reasons = {
            401: f"the token in {token_env} is not valid",
            403: f"the token in {token_env} may not write there",
            404: f"there is no such organisation or {kind} for this token",
        }
        said = _redacted(str(error), token).strip().partition("\n")[0]
        reason = reasons.get(status, "the Hub refused")
        raise PushError(f"{repository}: {reason} ({said})") from None
    except (_transport_error(), OSError, RuntimeError) as error:
        said = _redacted(str(error) or type(error).__name__, token)
        raise PushError(f"{repository}: the Hub could not be reached ({said}); {again}") from None


def _redacted(text: str, token: str) -> str:
    """Return a text with every occurrence of the token as ``***``."""
    return text.replace(token, "***")


def _transport_error() -> type[Exception]:
    """Return the base of the errors of whatever library the Hub's client speaks HTTP with."""
    from huggingface_hub.errors import HfHubHTTPError

    bases = [base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)]
    return bases[0]
