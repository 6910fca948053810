"""The environment variables that a deployment may set."""

from schemas.settings import Settings

SETTINGS = {name.upper() for name, field in Settings.model_fields.items() if not field.exclude}

ELSEWHERES = {"RUNPOD_INIT_TIMEOUT", "PYTORCH_ALLOC_CONF", "HF_HOME", "HF_TOKEN", "HF_HUB_OFFLINE", "HOME"}
"""Variables of RunPod, Hugging Face and the system."""

KNOWN = SETTINGS | ELSEWHERES
