"""Reads a checkpoint's files into the page cache while the libraries that load them are being imported."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from models.checkpoints.profiles import profile_of
from models.files import weights
from models.files.weights import CheckpointLocator
from schemas.settings import Settings, SettingsError

log = logging.getLogger(__name__)

BLOCK = 8 * 1024 * 1024
MEMORY_SHARE = 0.5
"""Share of the available memory to fill: more would evict what was read first."""

Lanes = Sequence[Sequence[Path]]


class ReadAhead:
    """Reads each lane of files on its own thread. `moved` counts the bytes read."""

    def __init__(self, lanes: Lanes, most: int) -> None:
        self.moved = 0
        self._most = most
        self._stopped = threading.Event()
        self.threads = [
            threading.Thread(target=self._read, args=(lane,), name="read-ahead", daemon=True) for lane in lanes
        ]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _read(self, lane: Sequence[Path]) -> None:
        buffer = bytearray(BLOCK)
        with suppress(OSError):  # reported by the code that needs the file
            for file in lane:
                with file.open("rb", buffering=0) as opened:
                    while not self._done() and (read := opened.readinto(buffer)):
                        self.moved += read

    def _done(self) -> bool:
        return self._stopped.is_set() or self.moved >= self._most


@contextmanager
def reading_ahead(settings: Settings) -> Iterator[ReadAhead]:
    """Read the checkpoint of the settings ahead of its use until the block ends."""
    reader = ReadAhead(lanes(settings), int(available() * MEMORY_SHARE))
    try:
        yield reader
    finally:
        reader.stop()
        log.debug("Read %.1f GB ahead", reader.moved / 1e9)


def lanes(settings: Settings) -> Lanes:
    """Return the files of the transformers and of the other parts, which the loader reads in parallel; none if they are
    not downloaded yet."""
    locator = CheckpointLocator(settings.qwen_model_dir, hub=False)
    try:
        edit = locator.folder(settings.qwen_image_edit_location or profile_of(settings).repo)
        beside = settings.qwen_image_location
        texts = [locator.folder(beside)] if beside else []
        transformers = [shard for folder in (edit, *texts) for shard in weights.shards(folder / "transformer")]
        others = [shard for part in ("text_encoder", "vae") for shard in weights.shards(edit / part)]
    except SettingsError:  # downloaded or reported by the loader
        return []
    return [transformers, others]


def available() -> int:
    """Return the available bytes of main memory, or 0 if unknown."""
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0
