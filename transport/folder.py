"""Results as files: where a local run leaves its pictures."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folder:
    path: Path

    def put(self, data: bytes, name: str) -> str:
        """The path of the written file."""
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / name
        file.write_bytes(data)
        return str(file)
