"""Locates a checkpoint's files and verifies that they are complete.

Any defect stops the start with one sentence that names the file and, if it is to blame, the tensor. Torch is not
imported: files are read ahead while it is being imported.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.files import hub
from schemas.settings import SettingsError

PLATFORM_CACHE = Path("/runpod-volume/huggingface-cache/hub")
"""Cache of RunPod's model store, which holds one model per endpoint under a lower-case id."""

STEMS = {"transformer": "diffusion_pytorch_model", "text_encoder": "model", "vae": "diffusion_pytorch_model"}
"""Names of the weight files by part, as diffusers and transformers write them. Other files are never read."""

CONFIGURATIONS = (
    *(f"{part}/config.json" for part in STEMS),
    "scheduler/scheduler_config.json",
    "tokenizer/tokenizer_config.json",
)
VOCABULARY = ("vocab.json", "merges.txt")
"""Files of a tokenizer without tokenizer.json."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class CheckpointLocator:
    """Finds checkpoints and LoRAs: as a path, below `model_dir`, in the platform's cache, in the hub's cache and, if
    `hub`, on the hub. Locations may pin a revision: `owner/name@commit`."""

    model_dir: Path | None = None
    platform_cache: Path = PLATFORM_CACHE
    hub: bool = True

    def folder(self, location: str, parts: Sequence[str] = tuple(STEMS)) -> Path:
        """Return the folder of a checkpoint with the weights of these parts, downloading missing files."""
        named = Path(location).expanduser()
        for folder in (named, *self._own(location)):
            if (folder / "model_index.json").is_file():
                return folder
        if named.is_absolute() or named.exists():
            raise SettingsError(f"There is no checkpoint in {location}: it has no model_index.json")
        repo, revision = _split(location)
        snapshots = self._cached(repo, revision)
        if whole := next((snapshot for snapshot in snapshots if defect(snapshot, parts) is None), None):
            return whole
        partial = f": {defect(snapshots[0], parts)}" if snapshots else ""
        if not self.hub:
            state = "not complete" if snapshots else "not"
            raise SettingsError(f"{location} is {state} on this machine, and downloads are off{partial}")
        try:
            return hub.download_snapshot(
                repo, revision, [f"{part}/*.safetensors*" for part in STEMS if part not in parts]
            )
        except SettingsError as problem:
            raise SettingsError(f"{problem}{partial}") from problem

    def file(self, repo: str, name: str) -> Path:
        """Return one file of a repository, such as a LoRA."""
        base = Path(name).name
        repo, revision = _split(repo)
        own = [folder / part for folder in self._own(repo) for part in (name, base)]
        own += [self.model_dir / base] if self.model_dir else []
        for file in [*own, *(snapshot / name for snapshot in self._cached(repo, revision))]:
            if file.is_file():
                return file
        if not self.hub:
            raise SettingsError(f"{name} of {repo} is not on this machine, and downloads are off")
        return hub.download_file(repo, name, revision)

    def _own(self, repo: str) -> list[Path]:
        return [self.model_dir / repo, self.model_dir / Path(repo).name] if self.model_dir else []

    def _cached(self, repo: str, revision: str | None) -> list[Path]:
        return [path for cache in (self.platform_cache, hub.hub_cache()) for path in hub.cached(cache, repo, revision)]


def check(folder: Path, pipeline: str, parts: Sequence[str] = tuple(STEMS)) -> None:
    """Verify that a checkpoint is for `pipeline` and that its files are complete. Raises SettingsError for the first
    defect."""
    name = _json(folder / "model_index.json").get("_class_name")
    if name != pipeline:
        raise SettingsError(f"The checkpoint is for {name}, but the profile is for {pipeline}")
    check_files(folder, parts)


def check_files(folder: Path, parts: Sequence[str] = tuple(STEMS)) -> None:
    """Verify that every file of a checkpoint is present and readable, and that shards contain the tensors in their
    index."""
    index = _json(folder / "model_index.json")
    for file in CONFIGURATIONS:
        _json(folder / file)
    _check_tokenizer(folder / "tokenizer")
    if "processor" in index:
        _json(folder / "processor" / "preprocessor_config.json")
    for part in parts:
        stored = tensors(folder / part)
        for name, shard in _weight_map(folder / part).items():
            if name not in stored:
                raise SettingsError(f"The checkpoint's file {part}/{shard} lacks the tensor {name} of its index")


def defect(folder: Path, parts: Sequence[str] = tuple(STEMS)) -> str | None:
    """Return the first defect of a checkpoint's files, or None."""
    try:
        check_files(folder, parts)
    except SettingsError as problem:
        return str(problem)
    return None


def check_tensors(folder: Path, expected: Mapping[str, Shape]) -> None:
    """Compare the stored tensors of a part with those of its model. Raises SettingsError that names the file and the
    tensor."""
    stored = tensors(folder)
    for name, (file, shape) in stored.items():
        if name not in expected:
            raise SettingsError(f"The checkpoint's file {folder.name}/{file} has the tensor {name}, which does not fit")
        if shape != expected[name]:
            sizes = f"shape {list(shape)} instead of {list(expected[name])}"
            raise SettingsError(f"The checkpoint's file {folder.name}/{file} has {name} with {sizes}")
    for name in expected:
        if name not in stored:
            raise SettingsError(f"The checkpoint's files in {folder.name}/ lack the tensor {name}")


def tensors(folder: Path) -> dict[str, tuple[str, Shape]]:
    """Return the file and the shape of every stored tensor of a part, from the headers of its files."""
    return {name: (shard.name, shape) for shard in shards(folder) for name, shape in header(shard).items()}


def header(file: Path) -> dict[str, Shape]:
    """Return the shapes of the tensors in a file. Raises SettingsError if it is missing, damaged or truncated."""
    from safetensors import SafetensorError, safe_open

    name = f"{file.parent.name}/{file.name}"
    if not file.is_file():
        raise SettingsError(f"The checkpoint's file {name} is missing")
    try:
        with safe_open(file, "np") as weights:
            return {key: tuple(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as problem:
        raise SettingsError(f"The checkpoint's file {name} is damaged or incomplete") from problem


def size(folder: Path, parts: Sequence[str] = tuple(STEMS)) -> int:
    """Return the size of a checkpoint's weights in bytes."""
    return sum(shard.stat().st_size for part in parts for shard in shards(folder / part))


def shards(folder: Path) -> list[Path]:
    """Return the files of a part's weights: those named by its index, or the one with the standard name."""
    indexed = sorted(set(_weight_map(folder).values()))
    return [folder / name for name in indexed or [f"{STEMS[folder.name]}.safetensors"]]


def identity(location: str, folder: Path, parts: Sequence[str] = tuple(STEMS)) -> dict[str, str]:
    """Return the repository, the revision and a hash over the names, shapes and files of all tensors, for health_check.

    The revision is the commit in a cache, otherwise "local". This identifies a checkpoint without reading its
    weights.
    """
    repo, revision = _split(location)
    is_snapshot = folder.parent.name == "snapshots"
    listed = json.dumps({part: tensors(folder / part) for part in parts}, sort_keys=True)
    return {
        "repository": Path(repo).name if Path(repo).is_absolute() else repo,
        "revision": folder.name if is_snapshot else revision or "local",
        "index": hashlib.sha256(listed.encode()).hexdigest()[:16],
    }


def _weight_map(folder: Path) -> dict[str, str]:
    """Return the index of a part, which maps tensors to file names; empty if there is none."""
    stem = STEMS[folder.name]
    index, single = folder / f"{stem}.safetensors.index.json", folder / f"{stem}.safetensors"
    if not index.is_file():
        return {}
    if single.is_file():
        raise SettingsError(f"The checkpoint has both {folder.name}/{single.name} and {index.name}: remove one of them")
    listed = _json(index).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(_is_name(name) for name in listed.values()):
        raise SettingsError(f"The checkpoint's file {folder.name}/{index.name} is damaged: it names no weights")
    return listed


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and Path(name).name == name and name.endswith(".safetensors")


def _check_tokenizer(folder: Path) -> None:
    if (folder / "tokenizer.json").is_file():
        _json(folder / "tokenizer.json")
        return
    for name in VOCABULARY:
        if not (folder / name).is_file():
            raise SettingsError(f"The checkpoint's file tokenizer/{name} is missing")


def _split(location: str) -> tuple[str, str | None]:
    """Return the repository and the pinned revision of `owner/name@revision`."""
    repo, _, revision = location.partition("@")
    return repo, revision or None


def _json(file: Path) -> dict[str, Any]:
    name = f"{file.parent.name}/{file.name}"
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        raise SettingsError(f"The checkpoint's file {name} is missing") from None
    except (OSError, ValueError) as problem:
        raise SettingsError(f"The checkpoint's file {name} is damaged") from problem
    if not isinstance(content, dict):
        raise SettingsError(f"The checkpoint's file {name} is damaged: it is not a JSON object")
    return content
