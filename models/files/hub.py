"""Finds and downloads repositories of the Hugging Face hub. Interrupted downloads are resumed, and progress is
logged."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from schemas.settings import SettingsError

log = logging.getLogger(__name__)

GB = 1e9
PROGRESS_SECONDS = 5.0
"""Interval of the progress lines."""

BLOCK_BYTES = 512
"""Unit of `st_blocks`: partly downloaded files may be sparse, so their apparent size says nothing."""


def cached(cache: Path, repo: str, revision: str | None) -> list[Path]:
    """Return the snapshots of a repository in a cache folder that match `revision`, complete or not.

    Without a revision, the snapshot that `main` points to comes first. The platform's cache has lower-case names.
    """
    wanted = f"models--{repo.replace('/', '--')}".lower()
    stores = [folder for folder in cache.iterdir() if folder.name.lower() == wanted] if cache.is_dir() else []
    return [snapshot for store in sorted(stores) for snapshot in _snapshots(store, revision) if snapshot.is_dir()]


def _snapshots(store: Path, revision: str | None) -> list[Path]:
    ref = store / "refs" / (revision or "main")
    named = [store / "snapshots" / ref.read_text().strip()] if ref.is_file() else []
    if revision:
        return [*named, store / "snapshots" / revision]
    others = (store / "snapshots").glob("*")
    return [*named, *sorted(other for other in others if other not in named)]


def hub_cache() -> Path:
    """Return the folder of the hub's cache on this machine."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def download_snapshot(repo: str, revision: str | None = None, ignored: Sequence[str] = ()) -> Path:
    """Download the missing files of a repository, except `ignored` patterns, and return its folder. Raises
    SettingsError."""
    from huggingface_hub import snapshot_download

    with _translated(repo):
        files = snapshot_download(repo, revision=revision, ignore_patterns=list(ignored), dry_run=True)
        missing = [file for file in files if file.will_download]
        log.info("Downloading %s: %d of %d files are missing", repo, len(missing), len(files))
        with logged_progress(repo, sum(file.file_size or 0 for file in missing)):
            commit = files[0].commit_hash if files else revision
            return Path(snapshot_download(repo, revision=commit, ignore_patterns=list(ignored)))


def download_file(repo: str, name: str, revision: str | None = None) -> Path:
    """Return one file of a repository, from the cache or downloaded. Raises SettingsError."""
    from huggingface_hub import hf_hub_download

    with _translated(f"{name} of {repo}"), logged_progress(repo):
        return Path(hf_hub_download(repo, name, revision=revision))


@contextmanager
def _translated(what: str) -> Iterator[None]:
    from huggingface_hub.errors import HFValidationError, HTTPError  # type: ignore[attr-defined]  # not re-exported

    try:
        yield
    except HFValidationError:
        raise SettingsError(f"{what} is neither a folder nor the id of a model") from None
    except (HTTPError, OSError) as problem:
        raise SettingsError(f"{what} is not on this machine and could not be downloaded") from problem


@contextmanager
def logged_progress(repo: str, total: int = 0) -> Iterator[None]:
    """Log the progress of a download of `total` bytes (0 if unknown) until the block ends."""
    blobs, done = hub_cache() / f"models--{repo.replace('/', '--')}" / "blobs", threading.Event()
    watcher = threading.Thread(target=_log_progress, args=(repo, blobs, total, done), name="download", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _log_progress(repo: str, blobs: Path, total: int, done: threading.Event) -> None:
    started, before = time.monotonic(), _bytes_on_disk(blobs)
    while not done.wait(PROGRESS_SECONDS):
        log.info("%s", progress_line(repo, _bytes_on_disk(blobs) - before, total, time.monotonic() - started))


def progress_line(repo: str, received: int, total: int, seconds: float) -> str:
    """Return a line with the gigabytes received, the mean rate and, if the total is known, the remaining time."""
    rate = received / seconds
    line = f"Downloading {repo}: {received / GB:.1f}"
    if not total:
        return f"{line} GB, {rate / GB:.2f} GB/s"
    left = f"{max(0, total - received) / rate:.0f} s left" if rate else "stalled"
    return f"{line} of {total / GB:.1f} GB, {rate / GB:.2f} GB/s, {left}"


def _bytes_on_disk(folder: Path) -> int:
    total = 0
    for file in folder.glob("*"):
        try:
            total += file.stat().st_blocks * BLOCK_BYTES
        except FileNotFoundError:  # renamed after its download
            continue
    return total
