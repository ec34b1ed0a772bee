"""A checkpoint's folder or name -> its files on this disk.

Any name but that of a folder goes to `huggingface_hub`, which owns cache, tokens, offline mode.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from tfkit.utils.files import local_path


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubOptions:
    """Where and how `find_file` looks; the names are those of `from_pretrained`."""

    revision: str | None = None
    cache_dir: str | os.PathLike | None = None
    local_files_only: bool = False
    force_download: bool = False
    token: str | bool | None = None
    subfolder: str = ""

    def __post_init__(self):
        if self.cache_dir is not None:
            object.__setattr__(self, "cache_dir", local_path(self.cache_dir))

    @classmethod
    def pop_from(cls, keywords: dict) -> HubOptions:
        """Takes the hub options out of `keywords`; what is left is the caller's."""
        names = [field.name for field in dataclasses.fields(cls) if field.name in keywords]
        return cls(**{name: keywords.pop(name) for name in names})


def find_file(
    name_or_path: str | os.PathLike, filename: str, options: HubOptions | None = None
) -> Path | None:
    """One file of a folder, or of a Hub repository, which is downloaded; None if there is none."""
    options = options or HubOptions()
    folder = local_path(name_or_path)
    if folder.is_dir():
        path = folder / options.subfolder / filename
        return path if path.is_file() else None
    if folder.is_file():
        raise NotADirectoryError(
            "Expected a checkpoint folder or the name of a Hub repository. Received the file "
            f"'{name_or_path}'. Pass the folder that holds it."
        )
    return _download(str(name_or_path), filename, options)


def read_json(path: Path) -> dict:
    """The JSON object that a file of a checkpoint holds; something else is a ValueError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"Expected '{path}' to be JSON. Received something else ({error}). Download or copy "
            "the file again."
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"Expected '{path}' to be a JSON object. Received a {type(content).__name__}."
        )
    return content


def upload(
    folder: str | os.PathLike,
    repository: str,
    *,
    commit_message: str,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
) -> str:
    """Uploads a folder as one commit to a model repository of the Hub, made if there is none.

    A README.md that the repository has already stays as it is.

    Args:
        repository: "owner/name", or a name of the logged-in user's.
        private: of a new repository; None is the owner's default.
        token: that may write; by default the one of `hf auth login`.
        revision: the branch of the commit.
        create_pr: open a pull request in place of a commit to the branch.

    Returns: the address of the commit.

    Raises:
        PermissionError: the token is missing or may not write there.
    """
    from huggingface_hub import HfApi, errors

    hub = HfApi(token=token)
    try:
        repository = hub.create_repo(repository, private=private, exist_ok=True).repo_id
        has_card = hub.file_exists(repository, "README.md")
        commit = hub.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message=commit_message,
            revision=revision,
            create_pr=create_pr,
            ignore_patterns=["README.md"] if has_card else None,
        )
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status not in (401, 403):
            raise
        raise PermissionError(
            f"Expected a token that may write to '{repository}'. The Hub answered {status}. Log in "
            "with `hf auth login`, or pass `token=`, with write access."
        ) from error
    return commit.commit_url


def _download(repository: str, filename: str, options: HubOptions) -> Path | None:
    from huggingface_hub import errors, hf_hub_download, try_to_load_from_cache

    where = {**dataclasses.asdict(options), "subfolder": options.subfolder or None}
    try:
        return Path(hf_hub_download(repository, filename, **where))
    except errors.LocalEntryNotFoundError as error:
        config = "/".join(filter(None, [options.subfolder, "config.json"]))
        kept = {"cache_dir": options.cache_dir, "revision": options.revision}
        if isinstance(try_to_load_from_cache(repository, config, **kept), str):
            return None  # the repository is in the cache, so the file is truly absent
        raise FileNotFoundError(
            f"'{repository}' is not a folder on this disk, not in the Hugging Face cache, and the "
            f"Hub was not reached ({_first_line(error.__cause__ or error)}). Pass an existing "
            "folder, or go online (unset HF_HUB_OFFLINE, `local_files_only=False`)."
        ) from error
    except errors.EntryNotFoundError:
        return None
    except errors.GatedRepoError as error:
        raise PermissionError(
            f"The Hub repository '{repository}' is gated. Ask for access on its page, then log in "
            "with `hf auth login` or pass `token=`."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise FileNotFoundError(
            f"The Hub repository '{repository}' has no revision '{options.revision}'."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"'{repository}' is neither a folder on this disk nor a repository of the Hugging "
            "Face Hub that you may read. Check the spelling; for a private one, pass `token=`."
        ) from error
    except errors.HFValidationError as error:
        raise FileNotFoundError(
            f"'{repository}' is not a folder on this disk, and cannot be the name of a Hub "
            f"repository ({_first_line(error)})."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
