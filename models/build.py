"""Chooses the engine that the settings and the machine ask for. Heavy imports happen here, and only for its sake."""

from collections.abc import Callable

from models.checkpoints.prefetch import reading_ahead
from models.checkpoints.profiles import find_profile
from models.engine import ImageModel
from models.hardware import graphics
from models.preview import Preview
from models.resident import Resident
from schemas.settings import Engine, Settings, SettingsError

Load = Callable[[], ImageModel]


def build(settings: Settings) -> Resident:
    """Starts to load at once. Raises SettingsError where the asked engine cannot run on this machine."""
    find_profile(settings.model_profile)
    cards = graphics().count
    engine = choose(settings, cards)
    check_sharing(settings, engine, cards)
    return Resident(engine, LOADERS[engine](settings), settings.ready_wait_seconds)


def choose(settings: Settings, cards: int) -> Engine:
    if settings.engine != "auto":
        return settings.engine
    if cards:
        return "qwen"
    if settings.on_platform:
        raise SettingsError(
            "ENGINE: auto found no usable GPU on this worker; ENGINE=preview serves previews on purpose"
        )
    return "preview"


def check_sharing(settings: Settings, engine: Engine, cards: int) -> None:
    """SettingsError where several cards cannot share a picture's tokens."""
    shared = settings.context_parallel
    problems = {
        f"the {engine} engine has no tokens to share": engine not in ("qwen", "tiny"),
        f"it asks for {shared} cards, and there are {cards}": engine == "qwen" and shared > cards,
        "the tiny engine has heads for 2": engine == "tiny" and shared > 2,
        "DEVICE_MAP=balanced spreads the transformer that each card must hold": settings.device_map == "balanced",
        "COMPILE was never run with it": settings.compile,
    }
    for problem, is_true in problems.items():
        if shared > 1 and is_true:
            raise SettingsError(f"CONTEXT_PARALLEL: {problem}")


def _qwen(settings: Settings) -> Load:
    def load() -> ImageModel:
        with reading_ahead(settings):
            from models.qwen.engine import load as load_qwen

            return load_qwen(settings)

    return load


def _tiny(settings: Settings) -> Load:
    def load() -> ImageModel:
        from models.tiny import load as load_tiny

        return load_tiny(cards=settings.context_parallel)

    return load


def _replay(settings: Settings) -> Load:
    folder = settings.replay_dir
    if folder is None or not folder.is_dir():
        raise SettingsError("REPLAY_DIR: the replay engine needs a folder of recorded pictures")

    def load() -> ImageModel:
        from models.replay import load as load_replay

        return load_replay(folder)

    return load


def _preview(_settings: Settings) -> Load:
    return Preview


LOADERS: dict[Engine, Callable[[Settings], Load]] = {
    "qwen": _qwen,
    "preview": _preview,
    "tiny": _tiny,
    "replay": _replay,
}
