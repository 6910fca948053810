"""A real S3 server on loopback, in a separate process."""

import contextlib
import http.client
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3

from testing.patience import WAIT_SECONDS, wait_until
from testing.processes import free_port

KEY, SECRET = "AKIAOFTHESHOP", "wJalrXUtnFEMIofTheShop"


class S3:
    """A moto server in a separate process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with (folder / "moto.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | {"MOTO_CALL_RESET_API": "0"}
            )
        wait_until(self._answers)

    def ask(self, method: str, target: str, body: str = "") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, target, body)
            response = connection.getresponse()
            response.body = response.read()  # type: ignore[attr-defined]
            return response

    def count_strangers(self, number: str) -> None:
        """Set the number of further calls that pass without known credentials."""
        assert self.ask("POST", "/moto-api/reset-auth", number).status == 200

    def client(self, service: str) -> Any:
        return boto3.session.Session().client(
            service, "us-east-1", endpoint_url=self.url, aws_access_key_id=KEY, aws_secret_access_key=SECRET
        )

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("GET", "/moto-api/data.json").status == 200
        return False
