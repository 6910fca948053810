"""Log levels of this project and of the libraries it uses."""

import logging

OWN = (
    "__main__", "deploy", "handlers", "imaging", "local_platform", "models", "rp_handler", "schemas", "server",
    "transport", "web",
)  # fmt: skip


def set_levels(level: str) -> None:
    """Set the level of all loggers. DEBUG applies to this project only: libraries log signatures, access keys and
    pictures."""
    logging.getLogger().setLevel("INFO" if level == "DEBUG" else level)
    for name in OWN:
        logging.getLogger(name).setLevel(level)
