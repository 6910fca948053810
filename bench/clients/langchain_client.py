"""langchain's wrapper, which reads `data[0].url`."""

import os
import sys
import urllib.request
from importlib.metadata import version

from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper

wrapper = DallEAPIWrapper(base_url=os.environ["SERVER"] + "/v1", api_key="none", model="dall-e-3", size="1024x1024")
url = wrapper.run("a bright living room")
assert urllib.request.urlopen(url, timeout=30).status == 200  # noqa: S310
sys.stdout.write(version("langchain-community") + "\n")
