"""Builds the engine for the settings and the machine. Heavy libraries are imported only by the engine that needs
them."""

from collections.abc import Callable

from models.checkpoints.profiles import profile_of
from models.engine import ImageModel
from models.files.prefetch import reading_ahead
from models.hardware import graphics
from models.preview import Preview
from models.resident import Resident
from schemas.settings import Engine, Settings, SettingsError

Load = Callable[[], ImageModel]


def build(settings: Settings) -> Resident:
    """Return the resident engine, which starts loading at once. Raises SettingsError if it cannot run here."""
    profile_of(settings)
    engine = choose(settings, graphics().count)
    return Resident(engine, LOADERS[engine](settings), settings.ready_wait_seconds)


def choose(settings: Settings, cards: int) -> Engine:
    """Return the engine for this number of GPUs. Raises SettingsError on the platform without a GPU."""
    if settings.engine != "auto":
        return settings.engine
    if cards:
        return "qwen"
    if settings.on_platform:
        raise SettingsError(
            "ENGINE: auto found no usable GPU on this worker; to serve previews on purpose, set ENGINE=preview"
        )
    return "preview"


def _qwen(settings: Settings) -> Load:
    def load() -> ImageModel:
        with reading_ahead(settings):
            from models.qwen.engine import load_qwen

            return load_qwen(settings)

    return load


def _tiny(_settings: Settings) -> Load:
    def load() -> ImageModel:
        from models.tiny import build_tiny

        return build_tiny()

    return load


def _replay(settings: Settings) -> Load:
    folder = settings.replay_dir
    if folder is None or not folder.is_dir():
        raise SettingsError("REPLAY_DIR: the replay engine needs a folder of recorded pictures")

    def load() -> ImageModel:
        from models.replay import open_replay

        return open_replay(folder)

    return load


def _preview(_settings: Settings) -> Load:
    return Preview


LOADERS: dict[Engine, Callable[[Settings], Load]] = {
    "qwen": _qwen,
    "preview": _preview,
    "tiny": _tiny,
    "replay": _replay,
}
