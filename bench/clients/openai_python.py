"""The official Python client."""

import os
import sys
import urllib.request
from pathlib import Path

import openai

client = openai.OpenAI(base_url=os.environ["SERVER"] + "/v1", api_key="none", max_retries=0)
assert client.models.list().data
made = client.images.generate(prompt="a bright living room", size="512x512")
assert made.data
assert made.data[0].b64_json
url = client.images.generate(model="dall-e-3", prompt="a bright living room", size="1024x1024").data[0].url
assert urllib.request.urlopen(url, timeout=30).status == 200  # noqa: S310
pictures = [(name, Path(name).read_bytes()) for name in ("room.png", "product.png")]
edited = client.images.edit(image=pictures, prompt="on the floor")
assert edited.data
with client.images.generate(prompt="a bright living room", size="512x512", stream=True) as events:
    assert [event.type for event in events][-1] == "image_generation.completed"
sys.stdout.write(openai.__version__ + "\n")
