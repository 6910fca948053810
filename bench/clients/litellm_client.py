"""litellm against an OpenAI-compatible server."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

import litellm

AT = {"api_base": os.environ["SERVER"] + "/v1", "api_key": "none"}
made = litellm.image_generation(model="openai/dall-e-3", prompt="a bright living room", size="1024x1024", **AT)
assert made.data[0].url or made.data[0].b64_json
with Path("room.png").open("rb") as room, Path("product.png").open("rb") as product:
    edited = litellm.image_edit(model="openai/gpt-image-1", image=[room, product], prompt="on the floor", **AT)
assert edited.data[0].b64_json
sys.stdout.write(version("litellm") + "\n")
