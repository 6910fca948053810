"""Answers through a bucket and pictures by URL, through the front door and a real S3 server on loopback."""

import contextlib
import time
import urllib.request
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handlers.openai import read_body
from handlers.router import Call
from models.engine import Control
from schemas.errors import ErrorCode, JobError
from testing.pictures import as_base64, file_of, plain_room
from testing.s3 import KEY, S3, SECRET
from testing.shop import answer, door, failure, run, small_edit
from transport.bucket import Bucket
from transport.fetch import Fetcher


def bucket_settings(s3: S3, **settings: Any) -> dict[str, Any]:
    keys = {"bucket_access_key_id": KEY, "bucket_secret_access_key": SECRET, "bucket_name": "shop"}
    return {"bucket_endpoint_url": s3.url, **keys, **settings}


def noisy_room() -> str:
    return as_base64(file_of(Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8))))


def fetched(url: str) -> tuple[bytes, str]:
    with urllib.request.urlopen(url) as response:
        return response.read(), response.headers["Content-Type"]


def test_a_url_leads_to_the_picture(s3: S3) -> None:
    out = answer(door(**bucket_settings(s3, bucket_prefix="answers")), small_edit(response_format="url", n=2))
    inline = answer(door(), small_edit(output_format="png"))
    for variant in out["images"]:
        data, mime_type = fetched(variant["image"])
        assert mime_type == variant["mime_type"] == "image/png"
        assert as_base64(data) == inline["processed_image"]
        assert "/answers/" in variant["image"]
    assert len({variant["image"] for variant in out["images"]}) == 2


def test_the_region_that_an_endpoint_does_not_tell_is_a_setting(s3: S3) -> None:
    worker = door(**bucket_settings(s3, bucket_region="gra"))
    assert "%2Fgra%2Fs3%2F" in answer(worker, small_edit(response_format="url"))["processed_image"]


def test_the_jobs_own_bucket_wins(s3: S3) -> None:
    config = {"accessId": KEY, "accessSecret": SECRET, "bucketName": "shop", "endpointUrl": s3.url}
    worker = door(allow_private_image_hosts=True)
    out = answer(worker, small_edit(response_format="url"), s3Config=config)
    assert fetched(out["processed_image"])[1] == "image/png"
    assert failure(door(), small_edit(), s3Config=config)["fields"] == ["s3Config"], "a private endpoint is refused"
    assert failure(worker, small_edit(), s3Config={"bucketName": "shop"})["fields"] == ["s3Config"]


def test_an_explicit_format_that_does_not_fit_goes_to_the_bucket_and_says_so(s3: S3) -> None:
    worker = door(**bucket_settings(s3, response_limit_mb=0.3))
    out = answer(worker, small_edit(room_image=noisy_room(), output_format="png"))
    assert out["processed_image"].startswith("http")
    assert "bucket" in " ".join(out["warnings"])
    auto = answer(worker, small_edit(room_image=noisy_room()))
    assert auto["mime_type"] == "image/jpeg"
    assert not auto["processed_image"].startswith("http")


def test_what_fits_in_no_format_goes_to_the_bucket_without_loss(s3: S3) -> None:
    worker = door(**bucket_settings(s3, response_limit_mb=0.1))
    out = answer(worker, small_edit(room_image=noisy_room()))
    assert out["lossless"] is True
    assert fetched(out["processed_image"])[1] == "image/png"


def test_uploads_end_with_the_jobs_time(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> str:
        time.sleep(0.4)  # like a bucket far away
        return "https://shop.example/x.png"

    monkeypatch.setattr(Bucket, "put", slow)
    worker = door(**bucket_settings(s3, job_timeout_seconds=1))
    result = run(worker, small_edit(response_format="url", n=10, seed=1))
    assert result["output"]["error_code"] == "TIMEOUT"


def test_who_is_gone_has_no_more_pictures_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    control, fetched = Control(), list[str]()

    def fetch(_: Fetcher, url: str, *_others: object) -> bytes:
        fetched.append(url)
        control.cancelled.set()
        return file_of(plain_room())

    monkeypatch.setattr(Fetcher, "fetch", fetch)
    body = {"prompt": "x", "image": [f"https://shop.example/{number}.png" for number in range(3)]}
    with pytest.raises(JobError) as stopped:
        door().router.paint(read_body("/v1/images/edits", body), Call("job", control))
    assert stopped.value.code is ErrorCode.CANCELLED
    assert len(fetched) == 1


def test_a_bucket_that_is_not_there_is_an_error_without_secrets(s3: S3) -> None:
    worker = door(**bucket_settings(s3, bucket_name="nowhere"))
    result = run(worker, small_edit(response_format="url"))
    assert result["output"]["error_code"] == "UPLOAD_FAILED"
    assert SECRET not in str(result)


def test_a_picture_by_url_is_the_picture(s3: S3) -> None:
    with contextlib.closing(s3.client("s3")) as client:
        client.put_object(Bucket="shop", Key="room.png", Body=file_of(plain_room()))
        url = client.generate_presigned_url("get_object", Params={"Bucket": "shop", "Key": "room.png"})
    out = answer(door(allow_private_image_hosts=True), small_edit(room_image=url))
    assert out["processed_image"] == answer(door(), small_edit())["processed_image"]
    refused = failure(door(), small_edit(room_image=url))
    assert refused["error_code"] == "IMAGE_FETCH_FAILED"
    assert "Signature" not in refused["error"]
