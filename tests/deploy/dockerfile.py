"""The Dockerfile's instructions, and the files that a build would copy into the image."""

import re
import shlex
import shutil
from pathlib import Path

from docker.utils.build import exclude_paths

ROOT = Path(__file__).parent.parent.parent


def instructions() -> list[tuple[str, str]]:
    """Return the name and the text of each instruction, without line continuations and comments."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [(name.upper(), text.strip()) for name, _, text in (line.partition(" ") for line in joined if line)]


def every(name: str) -> list[str]:
    return [text for each, text in instructions() if each == name]


def arguments() -> dict[str, str]:
    return dict(text.split("=", 1) for text in every("ARG"))


def variables() -> dict[str, str]:
    """Return the values of the ENV variables."""
    return dict(pair.split("=", 1) for text in every("ENV") for pair in shlex.split(text))


def copied() -> list[Path]:
    """Return the files that `COPY . ./` puts into the image, considering .dockerignore, from the root."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    kept = exclude_paths(str(ROOT), patterns, dockerfile="Dockerfile")
    # docker-py always sends the Dockerfile and .dockerignore to the builder, which leaves them out of COPY.
    files = {Path(name) for name in kept if (ROOT / name).is_file()}
    return sorted(files - {Path("Dockerfile"), Path(".dockerignore")})


def copy_to(folder: Path) -> Path:
    for file in copied():
        (folder / file.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    return folder
