"""Finds a checkpoint's files and proves them whole. Whatever is wrong ends the start in one sentence: a worker never
runs without what was asked for."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.settings import SettingsError

log = logging.getLogger(__name__)

PLATFORM_CACHE = Path("/runpod-volume/huggingface-cache/hub")
"""Where the platform keeps the one model of an endpoint, under a lower-cased id."""


PARTS = ("transformer", "text_encoder", "vae")


@dataclass(frozen=True)
class CheckpointLocator:
    """Where weights may lie, in the order in which they are looked for; the hub comes last."""

    model_dir: Path | None = None
    platform_cache: Path = PLATFORM_CACHE
    hub: bool = True

    def folder(self, location: str) -> Path:
        """Of a checkpoint, given as a path or a hub id."""
        named = Path(location).expanduser()
        here = [named, *self._own(location), *self._on_platform(location)]
        for place in here:
            if (place / "model_index.json").is_file():
                return place
        if named.is_absolute() or named.exists():
            raise SettingsError(f"There is no checkpoint in {location}: it has no model_index.json")
        return self._snapshot(location)

    def file(self, repo: str, name: str) -> Path:
        """One file of a repository, as a LoRA is."""
        base = Path(name).name
        own = [place / part for place in self._own(repo) for part in (name, base)]
        own += [self.model_dir / base] if self.model_dir else []
        for place in [*own, *(place / name for place in self._on_platform(repo))]:
            if place.is_file():
                return place
        return self._download(repo, name)

    def _own(self, repo: str) -> list[Path]:
        return [self.model_dir / repo, self.model_dir / Path(repo).name] if self.model_dir else []

    def _on_platform(self, repo: str) -> Iterator[Path]:
        """Snapshots of the platform's store, the one that `main` points to first."""
        wanted = f"models--{repo.replace('/', '--')}".lower()
        folders = self.platform_cache.iterdir() if self.platform_cache.is_dir() else iter(())
        for folder in sorted(folder for folder in folders if folder.name.lower() == wanted):
            main = folder / "refs" / "main"
            named = [folder / "snapshots" / main.read_text().strip()] if main.is_file() else []
            yield from [*named, *sorted((folder / "snapshots").glob("*"))]

    def _snapshot(self, repo: str) -> Path:
        from huggingface_hub import snapshot_download

        return self._from_hub(repo, lambda local: snapshot_download(repo, local_files_only=local))

    def _download(self, repo: str, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        return self._from_hub(f"{name} of {repo}", lambda local: hf_hub_download(repo, name, local_files_only=local))

    def _from_hub(self, what: str, fetch: Any) -> Path:
        """From the hub's cache on this machine, else from the hub."""
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            return Path(fetch(True))
        except HFValidationError:
            raise SettingsError(f"{what} is neither a folder nor the id of a model") from None
        except LocalEntryNotFoundError:
            if not self.hub:
                raise SettingsError(f"{what} is not on this machine, and the hub is not asked") from None
        log.info("Downloading %s", what)
        try:
            return Path(fetch(False))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as problem:
            raise SettingsError(f"{what} is not on this machine and could not be downloaded") from problem


def check(folder: Path, pipeline: str) -> None:
    """Every file that the checkpoint's indexes name is there and whole. SettingsError names the first that is not."""
    index = _json(folder / "model_index.json")
    if index.get("_class_name") != pipeline:
        raise SettingsError(f"The checkpoint is for {index.get('_class_name')}, the profile for {pipeline}")
    for part in PARTS:
        found = list(shards(folder / part))
        if not found:
            raise SettingsError(f"The checkpoint has no weights in {part}/")
        for shard in found:
            _whole(shard, part)
    for file in ("scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"):
        _json(folder / file)


def size(folder: Path) -> int:
    """Bytes of the weights."""
    return sum(shard.stat().st_size for part in PARTS for shard in shards(folder / part))


def shards(folder: Path) -> Iterator[Path]:
    indexes = list(folder.glob("*.safetensors.index.json"))
    for index in indexes:
        yield from (folder / name for name in sorted(set(_json(index)["weight_map"].values())))
    if not indexes:
        yield from sorted(folder.glob("*.safetensors"))


def _whole(shard: Path, part: str) -> None:
    from safetensors import SafetensorError, safe_open

    name = f"{part}/{shard.name}"
    if not shard.is_file():
        raise SettingsError(f"The checkpoint's file {name} is missing")
    try:
        with safe_open(shard, "pt") as weights:
            weights.keys()
    except (SafetensorError, OSError) as problem:
        raise SettingsError(f"The checkpoint's file {name} is damaged or not complete") from problem


def _json(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        raise SettingsError(f"The checkpoint's file {file.parent.name}/{file.name} is missing") from None
    except (OSError, ValueError) as problem:
        raise SettingsError(f"The checkpoint's file {file.parent.name}/{file.name} is damaged") from problem
    return content
