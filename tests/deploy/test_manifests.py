"""deploy/compose.yaml and deploy/kubernetes.yaml against published schemas, the settings and the server."""

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
from models.checkpoints.weights import PLATFORM_CACHE
from models.preview import Preview
from models.resident import Resident
from schemas.settings import Settings
from schemas.version import VERSION
from server import create_app
from tests.deploy.dockerfile import ROOT, arguments, copy_to, every
from tests.deploy.names import KNOWN
from tests.test_process import environment, free_port
from tests.test_server_process import wait_for
from web.front import OPEN

COMPOSE_FILE, KUBERNETES_FILE = ROOT / "deploy" / "compose.yaml", ROOT / "deploy" / "kubernetes.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
KUBERNETES: dict[str, Any] = {part["kind"]: part for part in yaml.safe_load_all(KUBERNETES_FILE.read_text())}
POD = KUBERNETES["Deployment"]["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
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
        assert service["image"].removesuffix("-preview").endswith(f":{VERSION}")
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


class TestKubernetes:
    @pytest.mark.parametrize("version", ["1.34", kubernetes_validate.latest_version()])
    @pytest.mark.parametrize("part", KUBERNETES.values(), ids=KUBERNETES)
    def test_every_part_is_what_kubernetes_takes(self, part: dict[str, Any], version: str) -> None:
        kubernetes_validate.validate(part, version, strict=True)

    def test_every_variable_exists_and_the_key_is_a_secret(self) -> None:
        variables = {entry["name"]: entry for entry in CONTAINER["env"]}
        assert variables.keys() <= KNOWN
        assert "secretKeyRef" in variables["API_KEY"]["valueFrom"]

    def test_names_and_ports_meet(self) -> None:
        labels = KUBERNETES["Deployment"]["spec"]["template"]["metadata"]["labels"]
        assert KUBERNETES["Deployment"]["spec"]["selector"]["matchLabels"] == labels
        assert KUBERNETES["Service"]["spec"]["selector"] == labels
        [port] = CONTAINER["ports"]
        assert port == {"name": "http", "containerPort": SETTINGS.port}
        assert KUBERNETES["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
        assert CONTAINER["image"].endswith(f":{VERSION}")

    @pytest.mark.parametrize("probe", PROBES)
    def test_a_probe_asks_what_is_answered_without_a_key(self, probe: str, routes: set[str]) -> None:
        asked = CONTAINER[probe]["httpGet"]
        assert asked["path"] in routes & OPEN
        assert asked["port"] == "http"

    def test_there_is_time_to_load_and_to_finish(self) -> None:
        start = CONTAINER["startupProbe"]
        longest = start["periodSeconds"] * start["failureThreshold"]
        assert 1800 <= longest < KUBERNETES["Deployment"]["spec"]["progressDeadlineSeconds"]
        pause = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert POD["terminationGracePeriodSeconds"] >= LONGEST_JOB_SECONDS + pause

    def test_the_images_user_serves_without_rights(self) -> None:
        pod, container = POD["securityContext"], CONTAINER["securityContext"]
        assert {pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]} == {UID}
        assert pod["runAsNonRoot"]
        assert container["readOnlyRootFilesystem"]
        assert not container["allowPrivilegeEscalation"]
        assert container["capabilities"] == {"drop": ["ALL"]}

    def test_weights_outlive_the_pod(self) -> None:
        volumes = {volume["name"]: volume for volume in POD["volumes"]}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in CONTAINER["volumeMounts"]}
        [folder] = [Path(path) for path, volume in mounts.items() if "persistentVolumeClaim" in volume]
        assert PLATFORM_CACHE.is_relative_to(folder)
        claim = mounts[str(folder)]["persistentVolumeClaim"]["claimName"]
        assert claim == KUBERNETES["PersistentVolumeClaim"]["metadata"]["name"]
        assert "emptyDir" in mounts["/tmp"]


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that other users may enter."""
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
        wait_for(f"http://127.0.0.1:{port}/ready")
        assert httpx2.get(f"http://127.0.0.1:{port}/").status_code == 200
    finally:
        process.kill()
        process.wait()
