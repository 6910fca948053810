"""The worker's settings: environment variables and `.env`, read once at start."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, PositiveFloat, PositiveInt, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Engine = Literal["auto", "qwen", "preview", "tiny", "replay"]
Precision = Literal["auto", "bf16", "fp8", "int8", "nf4"]
DeviceMap = Literal["cuda", "balanced"]
Qualities = Literal["all", "fast"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
SdkLogLevel = Literal["NOTSET", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"]

ORIGIN = re.compile(r"https?://[^/\s?#@]+")
HOST = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|[0-9a-f:]+")

MEGA = 1_000_000


Names = Annotated[tuple[str, ...], NoDecode]
"""A list of names, comma-separated in the environment."""

SHOWN_VALUE = 60
"""Characters of a wrong value that an error message shows."""


class SettingsError(Exception):
    """An error message that names the invalid setting."""


class Settings(BaseSettings):
    """The worker's settings. Each field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
        env_ignore_empty=True,
        allow_inf_nan=False,
    )

    engine: Engine = Field("auto", description="engine that paints; auto: qwen if there is a GPU, else preview")
    log_level: LogLevel = Field("INFO", description="log level of the worker")

    model_profile: str = Field("qwen-image-edit-2511", description="checkpoint that the qwen engine runs")
    precision: Precision = Field("auto", description="precision of the weights; auto: the best that fits the GPU")
    qualities: Qualities = Field(
        "all",
        description="all: every quality that fits the GPU; fast: only fast, its LoRA fused, for shorter steps",
    )
    device_map: DeviceMap = Field("cuda", description="cuda: one GPU; balanced: spread the model over all GPUs")
    task_lora: str | None = Field(
        None,
        description="LoRA added when the model harmonizes a composited picture: owner/name[:file.safetensors][@scale]",
    )
    qwen_model_dir: Path | None = Field(None, description="local folder with models")
    qwen_image_edit_location: str | None = Field(
        None, description="hub id or path of the edit pipeline; a profile's hub id selects that profile"
    )
    qwen_image_location: str | None = Field(None, description="hub id or path of an additional text-to-image pipeline")
    replay_dir: Path | None = Field(None, description="folder with recorded pictures for the replay engine")
    cutout_model: str = Field(
        "none",
        description="segmentation model for cutting products out of scenes: none, download (U²-Netp) or an ONNX file",
    )

    max_image_mb: PositiveFloat = Field(10, description="largest picture in MB, after base64 decoding")
    max_image_megapixels: PositiveFloat = Field(50, description="largest picture accepted, in megapixels")
    max_output_megapixels: PositiveFloat = Field(8.3, description="largest picture that generate makes, in megapixels")

    response_limit_mb: PositiveFloat = Field(10, description="largest answer that RunPod accepts for /run, in MB")
    response_limit_sync_mb: PositiveFloat = Field(
        20, description="largest answer that RunPod accepts for /runsync, in MB"
    )
    attention: str | None = Field(
        None, description="diffusers attention backend, such as _native_cudnn or flash; default: torch chooses"
    )
    compile: bool = Field(
        False,
        description="1: compile the transformer's blocks at start; set TORCHINDUCTOR_CACHE_DIR to keep the result",
    )
    ready_wait_seconds: float = Field(600, ge=0, description="seconds that a job waits for the model to load")
    job_timeout_seconds: PositiveFloat = Field(
        600, description="seconds that a job may run before it fails with TIMEOUT"
    )
    idempotency_seconds: PositiveFloat = Field(
        600, description="seconds that an answer is kept under its idempotency key"
    )
    idempotency_mb: PositiveFloat = Field(512, description="most memory for these answers, in MB; the newest are kept")
    failures_before_refresh: PositiveInt = Field(
        3, description="engine failures in a row after which this worker is replaced"
    )

    check_drift_percent: PositiveFloat = Field(
        8, description="check: largest shift (of the longer side) or zoom of the photo by the engine, in percent"
    )
    check_box_agreement: float = Field(
        0.3, ge=0, le=1, description="check: smallest overlap of the repainted area with the product's box, 0 to 1"
    )
    check_product_color: PositiveFloat = Field(
        30, description="check: largest change of the product's mean color, as a CIELAB distance"
    )
    check_product_structure: float = Field(
        -1,
        ge=-1,
        le=1,
        description="check: smallest correlation of the product's details with the composited picture; -1: off",
    )
    check_product_present: float = Field(
        0.5, ge=0, le=1, description="check: smallest share of the product's pixels that must have changed"
    )

    fetch_seconds: PositiveFloat = Field(20, description="time limit for fetching a picture, in seconds")
    allowed_image_hosts: Names = Field(
        (),
        description="comma-separated hosts that pictures may come from, such as *.myshopify.com; empty: any public one",
    )
    allow_private_image_hosts: bool = Field(
        False, description="1: allow pictures from private addresses; for tests only"
    )

    bucket_endpoint_url: str | None = Field(None, description="S3-compatible bucket for response_format=url")
    bucket_access_key_id: str | None = Field(None, description="access key of the bucket")
    bucket_secret_access_key: SecretStr | None = Field(None, description="secret key of the bucket")
    bucket_name: str | None = Field(None, description="name of the bucket, if the endpoint URL does not contain it")
    bucket_region: str | None = Field(None, description="region of the bucket, if the endpoint URL does not contain it")
    bucket_addressing: Literal["auto", "path", "virtual"] = Field(
        "auto", description="where the bucket's name goes: path, or virtual for the host name"
    )
    bucket_prefix: str = Field("", description="key prefix (folder) inside the bucket")
    bucket_expiry_seconds: int = Field(
        604_800, ge=1, le=604_800, description="seconds that an answer's URL stays valid"
    )

    worker_concurrency: PositiveInt = Field(
        3,
        description="jobs that a queue worker takes at once: one on the GPU, others decoding, encoding or uploading",
    )
    stuck_seconds: PositiveFloat = Field(
        60, description="seconds that a timed-out or cancelled job may take to stop before the process exits"
    )
    max_memory_growth_mb: PositiveFloat = Field(
        4096, description="memory growth since the first jobs, in MB, after which the worker asks to be replaced"
    )

    host: str = Field("0.0.0.0", description="HTTP: address to listen on")  # noqa: S104  it serves from containers
    port: int = Field(8000, ge=0, le=65535, description="HTTP: port to listen on")
    port_health: int | None = Field(
        None, ge=0, le=65535, description="HTTP: a second port that serves only the health probes"
    )
    keep_alive_seconds: PositiveInt = Field(
        75, description="HTTP: seconds that an idle connection stays open; set it higher than the proxy's own limit"
    )
    allowed_hosts: Names = Field(
        (), description="HTTP: comma-separated host names under which this server answers; empty: any"
    )
    cors_origins: Names = Field(
        (),
        description="HTTP: comma-separated origins whose pages may call, such as https://shop.example.com; *: all",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="HTTP: URL under which callers reach this server, for picture URLs",
    )
    url_seconds: PositiveFloat = Field(3600, description="HTTP: seconds that a picture's URL on this server works")
    url_mb: PositiveFloat = Field(512, description="HTTP: most memory for these pictures, in MB; the newest are kept")
    api_key: SecretStr | None = Field(
        None, description="HTTP: key that callers must send, as a Bearer token or Basic password"
    )
    queue_limit: PositiveInt = Field(32, description="HTTP: jobs that may wait; further ones are answered 429")
    max_request_mb: PositiveFloat = Field(64, description="HTTP: largest request, in MB")
    max_response_mb: PositiveFloat | None = Field(
        None, description="HTTP: largest answer, in MB; larger pictures become JPEG or URLs; default: no limit"
    )
    max_uploads_mb: PositiveFloat = Field(
        512, description="HTTP: most memory for requests in progress, in MB; further ones are answered 429"
    )
    fetches_at_once: PositiveInt = Field(16, description="HTTP: callers whose pictures are fetched at the same time")
    studio: bool = Field(True, description="HTTP: 0: do not serve the web page at /")
    reload: bool = Field(False, description="HTTP: 1: restart when the code changes; for development only")
    log_format: Literal["human", "json"] = Field("human", description="HTTP: format of the log")

    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="OTLP/HTTP endpoint for traces of jobs, as http://collector:4318; other OTEL_* variables apply too",
    )

    output_dir: Path = Field(Path("outputs"), description="folder for the pictures of local runs")

    runpod_log_level: SdkLogLevel | None = Field(None, description="log level of the RunPod SDK; DEBUG logs pictures")

    platform_queue: str | None = Field(None, validation_alias=AliasChoices("RUNPOD_WEBHOOK_GET_JOB"), exclude=True)
    platform_pod: str | None = Field(None, validation_alias=AliasChoices("RUNPOD_POD_ID"), exclude=True)

    @field_validator("api_key", mode="before")
    @classmethod
    def _without_wrapping(cls, key: object) -> object:
        """Strip whitespace and matching quotes, which secrets and env files add around a key. An empty key is None."""
        if not isinstance(key, str):
            return key
        key = key.strip()
        if len(key) >= 2 and key[0] == key[-1] and key[0] in "\"'":
            key = key[1:-1].strip()
        return key or None

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} is not an origin like https://shop.example.com or *")
        return origins

    @field_validator("allowed_image_hosts", "allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _split_at_commas(cls, hosts: str | tuple[str, ...]) -> tuple[str, ...]:
        return (
            tuple(host.strip().lower() for host in hosts.split(",") if host.strip())
            if isinstance(hosts, str)
            else hosts
        )

    @field_validator("allowed_image_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not HOST.fullmatch(host):
                raise ValueError(f"{host} is not a host like cdn.example.com or *.example.com")
        return hosts

    @property
    def on_platform(self) -> bool:
        return bool(self.platform_queue or self.platform_pod)


def read_settings() -> Settings:
    """Return the settings of this process. Raises SettingsError if one is invalid or `.env` cannot be read."""
    try:
        return Settings()
    except UnicodeError:
        raise SettingsError("Wrong settings: .env is not UTF-8 text") from None
    except OSError as problem:
        raise SettingsError(f"Wrong settings: .env cannot be read: {problem.strerror}") from None
    except ValidationError as problem:
        reasons = "; ".join(map(_wrong, problem.errors(include_url=False)))
        raise SettingsError(f"Wrong settings: {reasons}") from None


def misspelt() -> list[str]:
    """Return a warning for each variable of the environment or `.env` that is a setting but for its underscores, such
    as APIKEY."""
    known = {_letters(name): name.upper() for name in Settings.model_fields}
    with suppress(OSError, UnicodeError):
        given = {**os.environ, **dotenv_values(".env")}
        names = sorted(name for name in given if name.upper() not in known.values() and _letters(name) in known)
        return [f"{name} is not a setting; did you mean {known[_letters(name)]}?" for name in names]
    return []


def _letters(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _wrong(error: ErrorDetails) -> str:
    """Return what is wrong with a setting, showing its value unless it is secret."""
    name = str(error["loc"][0])
    field = Settings.model_fields.get(name)
    is_secret = field is None or "Secret" in str(field.annotation)
    value = "" if is_secret else f"{str(error['input'])[:SHOWN_VALUE]!r}: "
    return f"{name.upper()}: {value}{error['msg'].removeprefix('Value error, ')}"


def example() -> str:
    """Return the text of `.env.example`: every setting with its default and its description."""
    lines = ["# Settings of the worker. Copy this file to .env. Commented lines show the defaults."]
    for name, field in Settings.model_fields.items():
        if not field.exclude:
            default = "" if field.default in (None, ()) else field.default
            lines += ["", f"# {field.description}", f"# {name.upper()}={default}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(".env.example").write_text(example())
