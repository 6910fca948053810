"""How the server's log is written."""

import json
import logging
from datetime import UTC, datetime

from schemas.settings import Settings


class JsonLines(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        told = getattr(record, "told", None) or {"message": record.getMessage()}
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, "level": record.levelname, "logger": record.name, **told}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up(settings: Settings) -> None:
    handler = logging.StreamHandler()
    human = logging.Formatter("%(levelname)-7s| %(message)s")
    handler.setFormatter(JsonLines() if settings.log_format == "json" else human)
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
