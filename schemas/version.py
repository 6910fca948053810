"""What this worker calls itself. The version is the one of pyproject.toml; a test keeps them equal."""

SERVICE = "qwen-edit-generate-api"
VERSION = "0.1.0"
