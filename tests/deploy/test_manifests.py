"""deploy/compose.yaml and the Helm chart against published schemas, the settings and the server."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import kubernetes_validate
import pytest
import yaml

from handlers.router import build_router
from models.files.weights import PLATFORM_CACHE
from models.preview import Preview
from models.resident import Resident
from schemas.settings import Settings
from schemas.version import SERVICE, VERSION
from testing.patience import wait_until
from testing.processes import environment, free_port, is_ready
from tests.deploy.dockerfile import ROOT, arguments, copy_to, every
from tests.deploy.helm import CHART, helm, rendered
from tests.deploy.names import KNOWN
from web.access import OPEN
from web.app import create_app

COMPOSE_FILE = ROOT / "deploy" / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")

SETTINGS = Settings(_env_file=None)
LONGEST_JOB_SECONDS = SETTINGS.job_timeout_seconds + SETTINGS.stuck_seconds
UID = int(re.findall(r"--uid (\d+)", " ".join(every("RUN")))[0])
SERVICES = pytest.mark.parametrize("service", COMPOSE["services"].values(), ids=COMPOSE["services"])


def seconds(duration: str) -> int:
    count, unit = re.fullmatch(r"(\d+)([smh])", duration).groups()  # type: ignore[union-attr]
    return int(count) * {"s": 1, "m": 60, "h": 3600}[unit]


@pytest.fixture(scope="module")
def routes() -> set[str]:
    app = create_app(SETTINGS, build_router(SETTINGS, Resident("test", Preview, 1)))
    return {getattr(route, "path", "") for route in app.routes}


class TestCompose:
    def test_it_is_a_compose_file(self) -> None:
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        done = subprocess.run([*command, str(COMPOSE_FILE)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    @SERVICES
    def test_every_variable_exists_and_the_key_is_asked_for(self, service: dict[str, Any]) -> None:
        assert service["environment"].keys() <= KNOWN
        assert service["environment"]["API_KEY"].startswith("${API_KEY:?")

    @SERVICES
    def test_it_builds_what_can_be_built(self, service: dict[str, Any]) -> None:
        assert service["image"].removesuffix(":preview") == SERVICE
        assert (COMPOSE_FILE.parent / service["build"]["context"] / "Dockerfile").samefile(ROOT / "Dockerfile")
        asked = service["build"].get("args", {})
        assert asked.keys() <= arguments().keys()
        assert (ROOT / f"{(arguments() | asked)['REQUIREMENTS']}.lock").is_file()

    @SERVICES
    def test_the_port_is_the_servers_whatever_env_says(self, service: dict[str, Any]) -> None:
        port = str(SETTINGS.port)
        assert service["environment"]["PORT"] == port
        assert service["environment"]["HOST"] == SETTINGS.host
        assert service["ports"] == [f"{port}:{port}"]
        assert f"127.0.0.1:{port}/ready" in service["healthcheck"]["test"][-1]

    @SERVICES
    def test_there_is_time_to_load_and_to_finish(self, service: dict[str, Any]) -> None:
        assert seconds(service["healthcheck"]["start_period"]) >= 1800
        assert seconds(service["stop_grace_period"]) >= LONGEST_JOB_SECONDS

    @SERVICES
    def test_the_images_user_serves_without_rights(self, service: dict[str, Any]) -> None:
        assert service["user"] == f"{UID}:{UID}"
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])

    def test_weights_outlive_the_container(self) -> None:
        [volume] = COMPOSE["services"]["server"]["volumes"]
        name, folder = volume.split(":")
        assert name in COMPOSE["volumes"]
        assert PLATFORM_CACHE.is_relative_to(folder)


VALUES = {
    "one GPU": (),
    "previews": ("--set", "gpu.count=0,settings.ENGINE=preview,apiKey=secret,podDisruptionBudget.enabled=false"),
    "a fleet": (
        "--set",
        "existingSecret=keys,weights.existingClaim=models,autoscaling.enabled=true,serviceMonitor.enabled=true,"
        "serviceMonitor.labels.release=prometheus,image.repository=registry.example.com/shop/worker,image.tag=v1",
        "--set-json",
        'nodeSelector={"nvidia.com/gpu.product":"NVIDIA-H100-80GB-HBM3"}',
    ),
}
CUSTOM = {"ServiceMonitor", "ScaledObject"}
"""Kinds that belong to operators: Kubernetes itself has no schema for them."""


@pytest.fixture(scope="module")
def chart() -> dict[str, Any]:
    """Return the manifests of the default values by kind."""
    return {part["kind"]: part for part in rendered()}


@pytest.fixture(scope="module")
def pod(chart: dict[str, Any]) -> dict[str, Any]:
    return chart["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    [only] = pod["containers"]
    return only


class TestChart:
    def test_helm_finds_nothing_to_complain_about(self) -> None:
        assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))

    @pytest.mark.parametrize("version", ["1.34", kubernetes_validate.latest_version()])
    @pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
    def test_every_manifest_is_what_kubernetes_takes(self, values: tuple[str, ...], version: str) -> None:
        for part in rendered(*values):
            if part["kind"] not in CUSTOM:
                kubernetes_validate.validate(part, version, strict=True)

    def test_its_version_is_the_workers(self, container: dict[str, Any]) -> None:
        assert container["image"].endswith(f":{VERSION}")

    def test_a_value_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(AssertionError, match="replica'"):
            rendered("--set", "replica=2")

    def test_settings_become_variables_and_the_key_stays_secret(self) -> None:
        parts = {part["kind"]: part for part in rendered("--set", "settings.LOG_FORMAT=json,apiKey=abc")}
        [container] = parts["Deployment"]["spec"]["template"]["spec"]["containers"]
        variables = {entry["name"]: entry["value"] for entry in container["env"]}
        assert variables.keys() <= KNOWN
        assert variables["LOG_FORMAT"] == "json"
        assert "API_KEY" not in variables
        assert parts["Secret"]["stringData"] == {"API_KEY": "abc"}
        assert container["envFrom"] == [{"secretRef": {"name": parts["Secret"]["metadata"]["name"]}}]

    def test_names_and_ports_meet(self, chart: dict[str, Any], container: dict[str, Any]) -> None:
        labels = chart["Deployment"]["spec"]["template"]["metadata"]["labels"]
        selector = chart["Deployment"]["spec"]["selector"]["matchLabels"]
        assert selector.items() <= labels.items()
        assert chart["Service"]["spec"]["selector"] == selector
        assert chart["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == selector
        assert not selector.items() <= chart["Job"]["spec"]["template"]["metadata"]["labels"].items()
        [port] = container["ports"]
        assert port == {"name": "http", "containerPort": SETTINGS.port}
        assert chart["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]

    @pytest.mark.parametrize("probe", PROBES)
    def test_a_probe_asks_what_is_answered_without_a_key(
        self, probe: str, container: dict[str, Any], routes: set[str]
    ) -> None:
        asked = container[probe]["httpGet"]
        assert asked["path"] in routes & OPEN
        assert asked["port"] == "http"

    def test_there_is_time_to_load_and_to_finish(
        self, chart: dict[str, Any], pod: dict[str, Any], container: dict[str, Any]
    ) -> None:
        start = container["startupProbe"]
        longest = start["periodSeconds"] * start["failureThreshold"]
        assert 1800 <= longest < chart["Deployment"]["spec"]["progressDeadlineSeconds"]
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] >= LONGEST_JOB_SECONDS + pause

    def test_the_images_user_serves_without_rights(self, pod: dict[str, Any], container: dict[str, Any]) -> None:
        assert {pod["securityContext"][who] for who in ("runAsUser", "runAsGroup", "fsGroup")} == {UID}
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}

    def test_weights_outlive_the_pod(
        self, chart: dict[str, Any], pod: dict[str, Any], container: dict[str, Any]
    ) -> None:
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
        [folder] = [Path(path) for path, volume in mounts.items() if "persistentVolumeClaim" in volume]
        assert PLATFORM_CACHE.is_relative_to(folder)
        claim = chart["PersistentVolumeClaim"]["metadata"]
        assert mounts[str(folder)]["persistentVolumeClaim"]["claimName"] == claim["name"]
        assert claim["annotations"]["helm.sh/resource-policy"] == "keep"
        assert "emptyDir" in mounts["/tmp"]

    def test_previews_need_neither_a_gpu_nor_weights(self) -> None:
        parts = {part["kind"]: part for part in rendered(*VALUES["previews"])}
        assert not {"PersistentVolumeClaim", "Job"} & parts.keys()
        [container] = parts["Deployment"]["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["limits"].keys() == {"memory", "ephemeral-storage"}

    def test_a_fleet_grows_with_the_queue_that_the_server_counts(self) -> None:
        parts = {part["kind"]: part for part in rendered(*VALUES["a fleet"])}
        assert "replicas" not in parts["Deployment"]["spec"]
        [trigger] = parts["ScaledObject"]["spec"]["triggers"]
        assert "qwen_edit_queue_depth" in trigger["metadata"]["query"]
        [endpoint] = parts["ServiceMonitor"]["spec"]["endpoints"]
        assert endpoint["port"] == parts["Service"]["spec"]["ports"][0]["name"]
        assert endpoint["authorization"]["credentials"] == {"name": "keys", "key": "API_KEY"}


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """Yield a folder that other users may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def may_run_python(uid: int) -> bool:
    try:
        return subprocess.run([sys.executable, "-c", "import numpy"], user=uid, cwd="/", check=False).returncode == 0
    except PermissionError:
        return False


@pytest.mark.skipif(not may_run_python(UID), reason="only root can become another user, who must reach this Python")
def test_it_serves_as_somebody_who_may_write_nowhere(everybodys: Path) -> None:
    app, port = copy_to(everybodys), free_port()
    env = environment(everybodys, HOST="127.0.0.1", PORT=str(port), HOME="/nowhere", TMPDIR="/nowhere")
    process = subprocess.Popen([sys.executable, "server.py"], cwd=app, env=env, user=UID, group=UID, extra_groups=[])
    try:
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"))
        assert httpx2.get(f"http://127.0.0.1:{port}/").status_code == 200
    finally:
        process.kill()
        process.wait()
