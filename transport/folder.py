"""Pictures as local files, the output of local runs."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ErrorCode, JobError


@dataclass(frozen=True)
class Folder:
    path: Path

    def put(self, data: bytes, name: str) -> str:
        """Write the file and return its path. Raises JobError and leaves no partial file behind if that fails."""
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
