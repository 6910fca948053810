"""The format of the server's log."""

import json
import logging
from datetime import UTC, datetime

from handlers.runtime.log_levels import set_levels
from schemas.settings import Settings


class JsonLines(logging.Formatter):
    """Formats records as JSON, one object per line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", None) or {"message": record.getMessage()}
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, "level": record.levelname, "logger": record.name, **fields}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up(settings: Settings) -> None:
    """Replace the root logger's handlers and set the levels."""
    handler = logging.StreamHandler()
    human = logging.Formatter("%(levelname)-7s| %(message)s")
    handler.setFormatter(JsonLines() if settings.log_format == "json" else human)
    logging.basicConfig(handlers=[handler], force=True)
    set_levels(settings.log_level)
