"""Options of the Ray Serve deployment, read without Ray."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from deploy.ray_options import Options
from models.files.weights import PLATFORM_CACHE
from schemas.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_words_of_a_command_line_are_numbers() -> None:
    options = Options.model_validate({"min_replicas": "2", "max_replicas": "8", "num_gpus": "0"})
    told = options.deployment(600)
    assert told["autoscaling_config"]["min_replicas"] == 2
    assert told["autoscaling_config"]["max_replicas"] == 8
    assert told["ray_actor_options"] == {"num_gpus": 0}


@pytest.mark.parametrize(
    "wrong",
    [{"max_replicas": 0}, {"min_replicas": 5}, {"num_gpus": -1}, {"replicas": 2}, {"max_queued_requests": "many"}],
)
def test_a_wrong_option_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Options.model_validate(wrong)


def test_a_replica_that_ends_has_time_for_all_it_holds() -> None:
    assert Options(max_ongoing_requests=3).deployment(100)["graceful_shutdown_timeout_s"] == 300


def test_by_default_a_replica_has_a_card_of_its_own() -> None:
    assert Options().deployment(600)["ray_actor_options"] == {"num_gpus": 1}


def config() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((ROOT / "deploy/ray_serve.yaml").read_text())
    return told


def test_the_config_holds_the_defaults() -> None:
    [app] = config()["applications"]
    assert Options.model_validate(app["args"]) == Options()


def test_kubernetes_gets_the_same_config_and_time_to_drain() -> None:
    told = kuberay()["RayService"]["spec"]
    assert yaml.safe_load(told["serveConfigV2"]) == config()
    [workers] = told["rayClusterConfig"]["workerGroupSpecs"]
    assert workers["maxReplicas"] == Options().max_replicas
    pod = workers["template"]["spec"]
    defaults = Settings(_env_file=None)
    drain = Options().deployment(defaults.job_timeout_seconds + defaults.stuck_seconds)["graceful_shutdown_timeout_s"]
    assert drain < pod["terminationGracePeriodSeconds"] < drain + 60
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == Options().num_gpus


def test_kubernetes_weights_have_a_volume_and_callers_need_a_key() -> None:
    [workers] = kuberay()["RayService"]["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    pod = workers["template"]["spec"]
    [container] = pod["containers"]
    [mount] = container["volumeMounts"]
    assert PLATFORM_CACHE.is_relative_to(mount["mountPath"])
    [volume] = pod["volumes"]
    assert volume["name"] == mount["name"]
    assert volume["persistentVolumeClaim"]["claimName"] == kuberay()["PersistentVolumeClaim"]["metadata"]["name"]
    assert "API_KEY" in {variable["name"] for variable in container["env"]}


def test_kubernetes_pods_have_no_privileges() -> None:
    cluster = kuberay()["RayService"]["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        assert pod["securityContext"] == dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), 10001) | {
            "runAsNonRoot": True
        }
        [container] = pod["containers"]
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert {"name": "HOME", "value": "/tmp"} in container["env"]


def test_rays_autoscaler_understands_the_cluster() -> None:
    autoscaling = pytest.importorskip("ray.autoscaler._private.kuberay.autoscaling_config")
    cluster = kuberay()["RayService"]["spec"]["rayClusterConfig"]
    types = autoscaling._generate_available_node_types_from_ray_cr_spec(cluster)
    assert types["gpu"]["resources"]["GPU"] == Options().num_gpus
    assert types["gpu"]["resources"]["CPU"] >= 1


def kuberay() -> dict[str, Any]:
    return {part["kind"]: part for part in yaml.safe_load_all((ROOT / "deploy/kuberay.yaml").read_text())}


def test_the_docs_tell_every_option_with_its_default() -> None:
    rows = re.findall(r"^\| (`\w+_\w+`.*?) \| ([\d, ]+) \|", (ROOT / "docs/ray.md").read_text(), re.MULTILINE)
    told = {name: default for names, defaults in rows for name, default in _pairs(names, defaults)}
    assert told == {name: f"{field.default:g}" for name, field in Options.model_fields.items()}


def _pairs(names: str, defaults: str) -> list[tuple[str, str]]:
    return list(zip(re.findall(r"\w+", names), defaults.split(", "), strict=True))
