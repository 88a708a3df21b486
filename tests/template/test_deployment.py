"""The files for Docker, systemd and Kubernetes: valid, hardened, and in step."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]
import pytest
import typer
import yaml  # type: ignore[import-untyped,unused-ignore]
from everytick.cli.program import app as command_line
from everytick.settings import SchedulerSettings

from rendering import rendered

SCHEMAS: dict[str, Any] = json.loads((Path(__file__).parent / "kubernetes.json").read_text("utf-8"))
# systemd's own judgement of a unit, from 0 to 10: below this it calls one "OK".
EXPOSURE = 2.0


def text_of(name: str, **answers: Any) -> str:
    """Return a rendered file."""
    return (rendered(**answers) / name).read_text(encoding="utf-8")


def manifests(*, dashboard: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Return what is in each file for Kubernetes."""
    folder = rendered(deployment="kubernetes", dashboard=dashboard) / "deploy/kubernetes"
    return {
        file.name: list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        for file in sorted(folder.iterdir())
    }


def objects(kind: str) -> dict[str, dict[str, Any]]:
    """Return the objects of a kind by name."""
    every = [it for found in manifests().values() for it in found]
    return {it["metadata"]["name"]: it for it in every if it["kind"] == kind}


def services() -> dict[str, dict[str, Any]]:
    """Return compose's services that run the application."""
    found = yaml.safe_load(text_of("compose.yaml"))["services"]
    return {name: it for name, it in found.items() if "build" in it}


class Unit(ConfigParser):
    """A unit of systemd: names count as they are written, and may be given more than once."""

    def __init__(self) -> None:
        super().__init__(strict=False, interpolation=None, delimiters=("=",))
        self.read_string(text_of("deploy/systemd/scheduler.service"))

    def optionxform(self, optionstr: str) -> str:
        """Return a name as it is written."""
        return optionstr


# --- valid


def complaints(manifest: dict[str, Any]) -> list[str]:
    """Return what is wrong with an object for Kubernetes."""
    schema = {**SCHEMAS, "$ref": f"#/$defs/{manifest['kind']}"}
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest)]


@pytest.mark.full
@pytest.mark.parametrize("dashboard", [True, False])
def test_the_manifests_are_what_kubernetes_understands(dashboard: bool) -> None:
    found = manifests(dashboard=dashboard)
    kustomization = found.pop("kustomization.yaml")[0]
    for name, documents in found.items():
        for document in documents:
            assert complaints(document) == [], name
    # The example of a secret is for people: nobody's database has that password.
    assert set(kustomization["resources"]) == set(found) - {"secret.example.yaml"}
    assert ("dashboard.yaml" in found) == dashboard


def test_a_name_that_kubernetes_does_not_know_is_noticed() -> None:
    scheduler = objects("Deployment")["scheduler"]
    scheduler["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    assert any("livenesProbe" in sentence for sentence in complaints(scheduler))


def test_selectors_find_the_pods_that_are_meant() -> None:
    for kind in ("Service", "PodDisruptionBudget"):
        for name, found in objects(kind).items():
            selector = found["spec"]["selector"]
            labels = objects("Deployment")[name]["spec"]["template"]["metadata"]["labels"]
            assert selector.get("matchLabels", selector) == labels
    for found in objects("Deployment").values():
        assert found["spec"]["selector"]["matchLabels"] == found["spec"]["template"]["metadata"]["labels"]


@pytest.mark.full
def test_systemd_understands_the_unit_and_finds_it_hardened(tmp_path: Path) -> None:
    assert "Service" in Unit()
    if not shutil.which("systemd-analyze"):
        # The summary says that it was not checked: see conftest.
        assert not os.environ.get("CI"), "systemd-analyze is missing"
        return
    here = Unit()["Service"]["ExecStart"].split()[0]
    unit = tmp_path / "my-scheduler.service"
    unit.write_text(text_of("deploy/systemd/scheduler.service").replace(here, sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    judged = re.search(r"Overall exposure level for my-scheduler.service: ([0-9.]+)", said)
    assert judged, said
    assert float(judged[1]) < EXPOSURE


def test_the_folder_of_the_ledger_is_its_users_alone() -> None:
    assert Unit()["Service"]["StateDirectoryMode"] == "0700"


@pytest.mark.parametrize("name", ["a", "x" * 63])
def test_the_user_of_the_unit_has_a_name_that_a_user_may_have(name: str) -> None:
    unit = text_of("deploy/systemd/scheduler.service", project_name=name)
    found = re.search(r"^User=(.*)$", unit, re.MULTILINE)
    assert found
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,30}", found[1])


# --- at one with the application


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield where the application is called, and with which words."""
    image = text_of("Dockerfile")
    for line in re.findall(r"CMD (\[.*\])", image):
        yield "Dockerfile", json.loads(line)
    for name, service in services().items():
        yield f"compose.yaml, {name}", service.get("command", [])
    yield "scheduler.service", shlex.split(Unit()["Service"]["ExecStart"])
    for name, found in objects("Deployment").items():
        container = found["spec"]["template"]["spec"]["containers"][0]
        yield f"kubernetes, {name}", container["command"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            yield f"kubernetes, {name}, {probe}", container[probe].get("exec", {}).get("command", [])


def test_every_command_is_one_of_the_application() -> None:
    known: Any = typer.main.get_command(command_line)
    called = 0
    for place, words in commands():
        if not words:
            continue
        assert words[1:3] == ["-m", "app"], place
        command = known.commands[words[3]]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, place
        called += 1
    assert called >= 10


def test_stop_timeouts_are_longer_than_the_grace_time() -> None:
    grace = SchedulerSettings.model_fields["scheduler_shutdown_grace_time"].default
    settings = objects("ConfigMap")["scheduler"]["data"]
    assert float(settings["SCHEDULER_SHUTDOWN_GRACE_TIME"]) == grace
    waits = {name: it["stop_grace_period"] for name, it in services().items()}
    assert set(waits.values()) == {"60s"}
    service = Unit()["Service"]
    assert (service["KillSignal"], service["TimeoutStopSec"], service["KillMode"]) == (
        "SIGTERM",
        "60",
        "mixed",
    )
    for role in ("scheduler", "worker"):
        pod = objects("Deployment")[role]["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] == 60
    image = text_of("Dockerfile")
    assert "STOPSIGNAL SIGTERM\n" in image
    assert "docker stop --timeout 60" in image
    assert grace + 20 <= 60


def test_a_failure_that_a_restart_does_not_mend_causes_no_restart() -> None:
    service = Unit()["Service"]
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "2")


def test_all_services_of_compose_have_one_ledger() -> None:
    found = services()
    assert {"app", "cluster-scheduler", "cluster-worker", "cluster-dashboard"} == set(found)
    assert [name for name, it in found.items() if "profiles" not in it] == ["app"]
    for service in found.values():
        assert service["env_file"] == found["app"]["env_file"]
        assert service["volumes"] == found["app"]["volumes"]
        assert "SCHEDULER_DATABASE_URL" not in service.get("environment", {})
    assert (
        found["cluster-scheduler"]["deploy"]["replicas"],
        found["cluster-worker"]["deploy"]["replicas"],
    ) == (2, 3)


# --- hardened


def test_the_server_of_compose_which_has_one_role_is_the_ledgers_alone() -> None:
    """That role is its superuser, and may run programs there."""
    server = yaml.safe_load(text_of("compose.yaml"))["services"]["cluster-database"]
    assert not {"ports", "env_file", "privileged", "network_mode", "pid"} & set(server)
    assert server["volumes"] == ["cluster-database:/var/lib/postgresql/data"]
    assert server["security_opt"] == ["no-new-privileges:true"]
    assert all("cluster-database" not in str(it["volumes"]) for it in services().values())


def test_a_container_can_write_its_data_and_no_more() -> None:
    image = text_of("Dockerfile")
    last = image.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)$", last, re.MULTILINE) == ["app"]
    assert "useradd --uid 1000 " in last
    assert "uv" not in re.findall(r"^RUN .*$", last, re.MULTILINE)[0].split()
    for service in services().values():
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ["scheduler", "worker", "dashboard"])
def test_a_pod_can_write_its_data_and_no_more(name: str) -> None:
    pod = objects("Deployment")[name]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 1000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {it["mountPath"] for it in container["volumeMounts"]} == {"/srv/data", "/tmp"}
    assert {"requests", "limits"} <= container["resources"].keys()


# --- where the engine comes from


def test_the_builder_has_git_for_an_engine_from_a_repository_and_refuses_a_folder(tmp_path: Path) -> None:
    image = text_of("Dockerfile")
    assert "install --yes --no-install-recommends git" in image.partition("RUN uv sync")[0]
    from_index = text_of("Dockerfile", engine_source="index")
    assert "git" not in re.sub(r"#.*", "", from_index)

    [step] = re.findall(r"^RUN (if grep .*?; fi)$", image, re.MULTILINE | re.DOTALL)
    sources = {
        "git+file://localhost/home/ada/template@0123": 1,
        "file:///home/ada/template": 1,
        "git+https://example.org/template.git@0123": 0,
    }
    for source, code in sources.items():
        line = f'    "everytick[alerts] @ {source}",\n'
        (tmp_path / "pyproject.toml").write_text(f"dependencies = [\n{line}]\n", encoding="utf-8")
        done = subprocess.run(["sh", "-c", step], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == code
        assert done.stderr == code * (
            "error: the engine comes from a folder of one machine, which no image can reach:"
            " python -m app update --source ADDRESS names another place\n"
        )
