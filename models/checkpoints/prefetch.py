"""Brings a checkpoint's files into the page cache while the libraries that will read them are still being imported."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from models.checkpoints import weights
from models.checkpoints.profiles import find_profile
from models.checkpoints.weights import CheckpointLocator
from schemas.settings import Settings, SettingsError

log = logging.getLogger(__name__)

BLOCK = 8 * 1024 * 1024
SHARE = 0.5
"""Of the memory that is free or can be freed: what does not fit would push out what was read before."""

Lanes = Sequence[Sequence[Path]]


class ReadAhead:
    """A thread a lane, each with one buffer that it reads into again and again. `moved` counts bytes."""

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
        with suppress(OSError):  # whoever needs the file says what is wrong with it
            for file in lane:
                with file.open("rb", buffering=0) as opened:
                    while not self._done() and (read := opened.readinto(buffer)):
                        self.moved += read

    def _done(self) -> bool:
        return self._stopped.is_set() or self.moved >= self._most


@contextmanager
def reading_ahead(settings: Settings) -> Iterator[ReadAhead]:
    """Until the model is loaded, or could not be."""
    reader = ReadAhead(lanes(settings), int(available() * SHARE))
    try:
        yield reader
    finally:
        reader.stop()
        log.debug("Read %.1f GB ahead", reader.moved / 1e9)


def lanes(settings: Settings) -> Lanes:
    """The transformers' files beside the other parts', as the loader reads them; none where they are not here yet."""
    shelf = CheckpointLocator(settings.qwen_model_dir, hub=False)
    try:
        edit = shelf.folder(settings.qwen_image_edit_location or find_profile(settings.model_profile).repo)
        beside = settings.qwen_image_location
        texts = [shelf.folder(beside)] if beside else []
        transformers = [shard for folder in (edit, *texts) for shard in weights.shards(folder / "transformer")]
        others = [shard for part in ("text_encoder", "vae") for shard in weights.shards(edit / part)]
    except SettingsError:  # the loader downloads it, or says what is wrong
        return []
    return [transformers, others]


def available() -> int:
    """Bytes of main memory that are free or can be freed; 0 where the system does not say."""
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0
