"""The served OpenAPI document, compared with the server by schemathesis."""

import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from testing.live import Gray, serving
from testing.s3 import KEY, S3, SECRET

RULES = Path(__file__).with_suffix(".toml")


def test_the_server_does_what_its_document_says(tmp_path: Path, s3: S3) -> None:
    """The server has a key, a bucket, and room for the largest picture that the document allows."""
    bucket = {"bucket_endpoint_url": s3.url, "bucket_access_key_id": KEY, "bucket_secret_access_key": SECRET}
    with serving(Gray, api_key="s3cret", max_output_megapixels=17, bucket_name="shop", **bucket) as live:
        run = [sys.executable, "-m", "schemathesis.cli", f"--config-file={RULES}", "run", live.url + "/openapi.json"]
        run += ["--header=Authorization: Bearer s3cret"]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("key", [None, "s3cret"])
def test_a_key_is_asked_for_where_there_is_one(key: str | None) -> None:
    with serving(Gray, api_key=key) as live:
        document = httpx2.get(live.url + "/openapi.json", auth=("any", key or "")).json()
    assert [kind["scheme"] for kind in document["components"].get("securitySchemes", {}).values()] == (
        ["bearer", "basic"] if key else []
    )
    assert [path for path, verbs in document["paths"].items() if verbs.get("get", {}).get("security") == []] == (
        ["/health", "/ready", "/ping"] if key else []
    )


def test_a_client_can_be_made_from_it() -> None:
    """The document has short names for its verbs, descriptions of its fields, and pictures in forms as files."""
    with serving(Gray) as live:
        document = httpx2.get(live.url + "/openapi.json").json()
    paths, components = document["paths"], document["components"]["schemas"]
    names = [operation["operationId"] for verbs in paths.values() for operation in verbs.values()]
    assert names[:7] == ["generations", "edits", "edit", "generate", "layout", "job", "models"]
    bodies = [paths[path]["post"]["requestBody"]["content"] for path in list(paths)[:4]]
    references = [kind["schema"]["$ref"].rpartition("/")[2] for body in bodies for kind in body.values()]
    assert references == ["GenerationBody", "EditBody", "EditForm", "EditJob", "GenerateJob"]
    schemas = [components[name] for name in references]
    for field in (field for schema in schemas for field in schema["properties"].items()):
        assert field[1].keys() >= {"title", "description"} or field[0] == "action", field
    form = components["EditForm"]["properties"]
    assert [form[name]["items"]["format"] for name in ("image", "images")] == ["binary", "binary"]
    assert not {"null", "None"} & set(re.findall(r"\w+", str(form.values())))


def test_the_rule_of_a_box_is_a_component_of_its_own() -> None:
    with serving(Gray) as live:
        components = httpx2.get(live.url + "/openapi.json").json()["components"]["schemas"]
    box, point = components["Box"], components["Point"]
    assert [(side["title"], side["minimum"]) for side in box["prefixItems"]] == [
        ("left", 0), ("top", 0), ("right", 1), ("bottom", 1),
    ]  # fmt: skip
    assert "left < right, top < bottom" in box["description"]
    assert [axis["title"] for axis in point["prefixItems"]] == ["x", "y"]
    for name in ("EditJob", "EditBody", "EditForm", "Product"):
        fields = components[name]["properties"]
        assert "#/components/schemas/Box" in str(fields["placement_box"])
        assert "#/components/schemas/Point" in str(fields["placement_coordinates"])
    assert "#/components/schemas/Box" in str(components["EditJob"]["properties"]["replace"])
