"""Downloads and verifies the weights that the settings name, so that no GPU has to wait for them.

`python -m models.files.download` needs no GPU and does not import torch. Files already on the machine are
kept.
"""

import logging
import sys
from collections.abc import Iterator

from models.checkpoints.profiles import TEXT_TO_IMAGE, Profile, find_profile, profile_of
from models.files import weights
from models.files.weights import CheckpointLocator
from schemas.settings import Settings, SettingsError, read_settings

log = logging.getLogger(__name__)


def download(settings: Settings) -> None:
    """Download every checkpoint and few-step LoRA of the settings. Raises SettingsError that names what cannot be
    downloaded."""
    locator = CheckpointLocator(settings.qwen_model_dir)
    for profile, location in _checkpoints(settings):
        folder = locator.folder(location or profile.repo)
        weights.check(folder, profile.pipeline)
        log.info("%s: %.1f GB in %s", profile.name, weights.size(folder) / 1e9, folder)
        for lora in {schedule.lora for schedule in profile.schedules.values() if schedule.lora}:
            log.info("%s: %s", lora.name, locator.file(lora.repo, lora.file))


def _checkpoints(settings: Settings) -> Iterator[tuple[Profile, str | None]]:
    yield profile_of(settings), settings.qwen_image_edit_location
    if settings.qwen_image_location:
        yield find_profile(TEXT_TO_IMAGE), settings.qwen_image_location


def main() -> None:
    """Download, or exit with one sentence if the weights cannot be had."""
    try:
        settings = read_settings()
        logging.basicConfig(level=settings.log_level, format="%(levelname)-7s| %(message)s", stream=sys.stdout)
        download(settings)
    except SettingsError as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
