"""Name and version of the worker. pyproject.toml, the Makefile and the image read the version from here."""

SERVICE = "qwen-edit-generate-api"
VERSION = "0.2.0.dev0"
