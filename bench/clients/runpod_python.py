"""RunPod's own Python client. It reads its address at import."""

import base64
import os
import sys
from pathlib import Path

os.environ["RUNPOD_ENDPOINT_BASE_URL"] = os.environ["PLATFORM"] + "/v2"

import runpod

runpod.api_key = "local"
endpoint = runpod.Endpoint("local")
room, product = (base64.b64encode(Path(name).read_bytes()).decode() for name in ("room.png", "product.png"))
job = {"action": "edit", "room_image": room, "product_image": product}
assert endpoint.run_sync({"input": job}, timeout=120)["success"] is True
assert endpoint.run({"input": job}).output(timeout=120)["success"] is True
failed = endpoint.run({"input": {"action": "edit"}}).output(timeout=120)
assert "Missing product_image" in failed["message"]
sys.stdout.write(runpod.__version__ + "\n")
