"""Builds the engine for the settings and the machine. Heavy libraries are imported only by the engine that needs
them."""

from models.checkpoints.profiles import profile_of
from models.engine import ImageModel
from models.files.prefetch import reading_ahead
from models.hardware import graphics
from models.preview import Preview
from models.resident import Resident
from schemas.settings import Engine, Settings, SettingsError


def build(settings: Settings) -> Resident:
    """Return the resident engine, which starts loading at once. Raises SettingsError if it cannot run here."""
    profile_of(settings)
    engine = choose(settings, graphics().count)
    if engine == "replay" and not (settings.replay_dir and settings.replay_dir.is_dir()):
        raise SettingsError("REPLAY_DIR: the replay engine needs a folder of recorded pictures")
    return Resident(engine, lambda: _load(engine, settings), settings.ready_wait_seconds)


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


def _load(engine: Engine, settings: Settings) -> ImageModel:
    match engine:
        case "qwen":
            with reading_ahead(settings):
                from models.qwen.engine import load_qwen

                return load_qwen(settings)
        case "tiny":
            from models.tiny import build_tiny

            return build_tiny()
        case "replay":
            from models.replay import open_replay

            assert settings.replay_dir is not None
            return open_replay(settings.replay_dir)
        case "preview" | "auto":  # `choose` has replaced auto
            return Preview()
