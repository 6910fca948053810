"""Results as files: where a local run leaves its pictures."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ErrorCode, JobError


@dataclass(frozen=True)
class Folder:
    path: Path

    def put(self, data: bytes, name: str) -> str:
        """The path of the written file. Raises JobError where it cannot be written; no half of it stays."""
        file = self.path / name
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        except OSError as problem:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
            message = f"The picture could not be written to {self.path}: {problem.strerror}"
            raise JobError(ErrorCode.UPLOAD_FAILED, message) from problem
        return str(file)
