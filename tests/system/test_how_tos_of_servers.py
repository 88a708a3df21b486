"""The how-tos about servers are followed word by word, as far as this machine can: there is a PostgreSQL."""

from __future__ import annotations

import configparser
import re
import shutil
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

import warm_python
from reading import Page, Reader, commands_in, new_project
from rendering import edit, fresh_folder, render
from servers import running_server
from sinks import HttpSink
from traps import set_traps
from waiting import wait_for

DB = "postgresql://my_scheduler@db.example.org/my_scheduler"
NO_DOCKER, NO_SYSTEMD, NO_ROOT = (
    "no Docker runs here",
    "no systemd runs here",
    "it is the machine's administrator's",
)


@pytest.mark.full
def test_what_is_loaded_already_is_the_environment_of_the_project() -> None:
    reader = new_project()
    python = ".venv/bin/python"
    for command, code in (("runs", 0), ("jobs --json", 0), ("update --source", 2), ("no-such-command", 2)):
        typed = f"{python} -m app {command}"
        assert reader.call(typed, code=code) == Reader(reader.folder).call(typed, code=code)
    where = (
        "import everytick, sqlalchemy, sys; print(everytick.__file__, sqlalchemy.__file__, sys.executable)"
    )
    loaded = warm_python.program(reader.folder / python)
    assert reader.call(f"{loaded} -c '{where}'") == reader.call(f"{python} -c '{where}'")


@pytest.mark.full
def test_from_one_machine_to_many(postgres_url: str) -> None:
    page, reader = Page("from-one-machine-to-many"), new_project()
    reader.words = {DB: f"'{postgres_url}'"}
    page.not_here("console", "$ sudo apt install postgresql\n", NO_ROOT)
    page.not_here("console", "$ echo 'PGPASSWORD=...' >> .env\n$ docker compose up", NO_DOCKER)
    with reader.running():
        reader.call(".venv/bin/python -m app run-now daily_report")
    move = page.take("console", "$ .venv/bin/python -m app migrate-ledger --to")
    said = reader.call(commands_in(move)[0])
    for line in move.splitlines()[-5:]:
        assert line in said
    page.not_here("console", "$ docker compose stop app\n", NO_DOCKER)
    page.not_here("console", "$ sudo systemctl stop my-scheduler\n", NO_SYSTEMD)
    address = page.take(
        "text", "SCHEDULER_DATABASE_URL=postgresql://my_scheduler:...@db.example.org/my_scheduler\n"
    )
    reader.write(f"{address.partition('=')[0]}={postgres_url}\n", ".env")
    look = page.take("console", "$ .venv/bin/python -m app doctor")
    with reader.running():
        assert "daily_report" in reader.follow(look)
    for command in commands_in(page.take("console", "$ .venv/bin/python -m app run --role scheduler")):
        with reader.running(command.partition("  #")[0]):
            pass
    closed = page.take("console", "$ .venv/bin/python -m app run\nerror: the ledger was moved from")
    (reader.folder / ".env").unlink()
    said = reader.call(commands_in(closed)[0], code=1)
    assert said.partition(" to ")[0] == closed.splitlines()[1].partition(" to ")[0]
    assert said.partition(": set")[2].strip() == closed.splitlines()[1].partition(": set")[2].strip()
    back = page.take("console", "$ .venv/bin/python -m app migrate-ledger --to sqlite:///data/back.db")
    reader.write(f"SCHEDULER_DATABASE_URL={postgres_url}\n", ".env")
    reader.follow(back)
    (reader.folder / ".env").unlink()
    reader.follow(page.take("console", "$ .venv/bin/python -m app migrate-ledger --undo"))
    with reader.running():
        pass
    page.ends()


@pytest.mark.full
def test_get_alerts(sink: HttpSink) -> None:
    page, reader = Page("get-alerts"), new_project()
    line = page.take("shell", "SCHEDULER_ALERT_URLS=mailto://")
    own = f"json://127.0.0.1:{sink.port}"
    reader.write(f"{line.partition('=')[0]}={own}/a, {own}/b\n", ".env")
    test = page.take("console", "$ .venv/bin/my-scheduler alert-test")
    assert reader.follow(test).splitlines() == [
        re.sub(r"^\w+", "json", line) for line in test.splitlines()[1:]
    ]
    shown = page.take("text", "daily_report failed: run 4711, tick ")
    assert "/run/4711\n\nThe end of its log:\n" in shown
    reader.write(page.take("shell", "SCHEDULER_DASHBOARD_URL=https://jobs.example.org"), ".env")
    main = (reader.folder / "app/components/scheduler/main.py").read_text()
    reader.schedule(page.take("python", "scheduler.add_job(\n    backup_database,"))
    assert main != (reader.folder / "app/components/scheduler/main.py").read_text()
    assert "backup" in reader.call(".venv/bin/python -m app jobs")
    page.ends()


def it_leaves_a_service_that_is_well_alone(reader: Reader, unit: str) -> None:
    """The unit asks about the ledger that the service has by the template's unit, and finds it well."""
    # systemd takes several lines of one name.
    own, there = (configparser.ConfigParser(strict=False, interpolation=None) for _ in range(2))
    own.read_string(unit)
    there.read_string((reader.folder / "deploy/systemd/scheduler.service").read_text())
    assert own["Service"]["Environment"] == there["Service"]["Environment"]
    assert there["Service"]["PrivateTmp"] == own["Service"]["PrivateTmp"] == "yes"
    variable, _, place = own["Service"]["Environment"].partition("=")
    reader.environment = {variable: place.replace("/var/lib", str(fresh_folder("var-lib")))}
    asked = re.search(r"runuser -u my-scheduler -- (.*) \|\| systemctl restart", unit)
    assert asked
    with reader.running():
        assert reader.call(asked[1]).startswith("ready: ")
    # Without a ledger that answers, too, since no restart would bring it.
    shutil.rmtree(Path(reader.environment[variable].removeprefix("sqlite:///")).parent)
    reader.call(asked[1])
    reader.environment = {}


@pytest.mark.full
def test_monitor() -> None:
    page, reader = Page("monitor"), new_project()
    reader.words = {"/var/lib/node_exporter": str(fresh_folder("node_exporter"))}
    health = page.take("console", "$ .venv/bin/python -m app health")
    with reader.running():
        said = reader.follow(health)
    assert re.sub(r"heartbeat \d+ s", "heartbeat 2 s", said) == health.partition("\n")[2]
    units = [
        page.take("ini", f"# /etc/systemd/system/my-scheduler-health.{it}") for it in ("service", "timer")
    ]
    for unit in units:
        # As systemd reads it: `test_deployment` lets systemd-analyze look at the unit of the template.
        configparser.ConfigParser(strict=True, interpolation=None).read_string(unit)
    it_leaves_a_service_that_is_well_alone(reader, units[0])
    scraped = yaml.safe_load(page.take("yaml", "# prometheus.yml"))
    assert (reader.folder / "deploy" / scraped["rule_files"][0]).exists()
    reader.follow(page.take("console", "$ .venv/bin/python -m app metrics --output"))
    metrics = (Path(reader.words["/var/lib/node_exporter"]) / "scheduler.prom").read_text()
    [rule] = yaml.safe_load(page.take("yaml", "- alert: InvoicesAreNotSent"))
    assert f"# TYPE {rule['expr'].split()[2].partition('{')[0]} " in metrics
    reader.follow(page.take("console", "$ copier update --defaults --vcs-ref :current: --data 'parts="))
    reader.write(page.take("bash", "SCHEDULER_TRACING=true"), ".env")
    with reader.running() as log:
        assert "no span" not in log.read_text()
    page.ends()


@pytest.mark.full
def test_run_as_a_service() -> None:
    page, reader = Page("run-as-a-service"), new_project()
    page.not_here("console", "$ sudo useradd --system", NO_SYSTEMD)
    assert (reader.folder / "deploy/systemd/scheduler.service").exists()
    page.not_here("console", "$ sudo -u my-scheduler env SCHEDULER_DATABASE_URL=", NO_SYSTEMD)
    page.not_here("ini", "[Service]\nExecStart=\nExecStart=/srv/my-scheduler", NO_SYSTEMD)
    # As EnvironmentFile= and --env-file hand it over.
    name, _, value = (
        page.take("bash", "SCHEDULER_MISFIRE_GRACE_TIME=600  # 10 minutes").strip().partition("=")
    )
    reader.environment = {name: value}
    reader.call(".venv/bin/python -m app jobs")
    page.ends()


@pytest.mark.full
def test_run_in_containers() -> None:
    page, reader = Page("run-in-containers"), new_project()
    page.not_here("console", "$ docker compose up --build --detach\n", NO_DOCKER)
    lines = page.take("bash", "COMPOSE_PROFILES=cluster").splitlines()
    compose = (reader.folder / "compose.yaml").read_text()
    for name in (line.partition("=")[0] for line in lines[1:3]):
        assert f"${{{name}" in compose
    assert "cluster-database:" in compose
    added = yaml.safe_load(page.take("yaml", "    volumes:\n"))
    assert set(yaml.safe_load(compose)["services"]["app"]["volumes"]) < set(added["volumes"])
    page.ends()


@pytest.mark.full
def test_run_on_kubernetes() -> None:
    page = Page("run-on-kubernetes")
    reader = Reader(render(fresh_folder("k8s") / "app", deployment="kubernetes", project_name="my-scheduler"))
    images = yaml.safe_load(page.take("yaml", "images:\n"))
    file = reader.folder / "deploy/kubernetes/kustomization.yaml"
    assert yaml.safe_load(file.read_text())["images"] == images["images"]
    commands = commands_in(page.take("console", "$ kubectl create namespace my-scheduler\n"))
    assert [it for it in commands if "kustomize" in it and "apply" not in it] == [
        "kubectl kustomize deploy/kubernetes"
    ]
    edit(file, lambda old: f"{old}{page.take('yaml', 'patches:')}")
    if shutil.which("kubectl"):
        # The others need a cluster.
        made = list(yaml.safe_load_all(reader.call("kubectl kustomize deploy/kubernetes")))
        [worker] = [it for it in made if it["kind"] == "Deployment" and it["metadata"]["name"] == "worker"]
        assert worker["spec"]["replicas"] == 10
        [config] = [it for it in made if it["kind"] == "ConfigMap"]
        assert config["data"]["SCHEDULER_MAX_WORKERS"] == "4"
    page.not_here("console", "$ kubectl label namespace my-scheduler", "there is no cluster here")
    page.ends()


@pytest.mark.full
def test_use_postgresql(postgres_url: str) -> None:
    page, reader = Page("use-postgresql"), new_project()
    name = page.take("bash", "SCHEDULER_DATABASE_URL=postgresql://scheduler:PASSWORD@").partition("=")[0]
    reader.write(f"{name}={postgres_url}\n", ".env")
    with reader.running():
        pass
    refused = page.take(
        "text", "error: the ledger is that of the application shop, with 7 jobs, and this one is"
    )
    reader.change("app/core/project.toml", 'name = "my-scheduler"', 'name = "billing"')
    said = reader.call(".venv/bin/python -m app run", code=1)
    told = refused.replace("shop", "my-scheduler").replace("7", "3")
    assert told in said
    reader.call(".venv/bin/python -m app migrate --adopt")
    with reader.running():
        pass
    roles = page.take("console", "$ psql --set ON_ERROR_STOP=1")
    revoked, moved = page.take("sql", "REVOKE CREATE"), page.take("sql", "SET search_path")
    page.ends()
    # The tables of an earlier role, on a server whose administrator the reader is.
    with running_server() as own:
        for statement in ("CREATE ROLE earlier LOGIN", "CREATE DATABASE work OWNER earlier"):
            own.execute(statement)
        place = f"127.0.0.1:{own.port}/work"
        reader.write(f"{name}=postgresql://earlier@{place}\n", ".env")
        with reader.running():
            reader.call(".venv/bin/python -m app run-now daily_report")
            wait_for(lambda: "succeeded" in reader.call(".venv/bin/python -m app runs"), "a run")
        # Whoever may make functions there has some that fit better than those of PostgreSQL.
        set_traps(f"postgresql://earlier@{place}", "public")
        reader.environment = {"PGHOST": "127.0.0.1", "PGPORT": str(own.port), "PGUSER": "postgres"}
        # The other command waits for passwords at a terminal.
        reader.call(commands_in(roles)[0])
        reader.write(revoked, "revoked.sql")
        reader.call("psql --set ON_ERROR_STOP=1 --dbname work --file revoked.sql")
        reader.write(moved, "moved.sql")
        reader.call("psql --set ON_ERROR_STOP=1 --dbname work --file moved.sql")
        reader.environment = {}
        reader.write(f"{name}=postgresql://scheduler@{place}\n", ".env")
        with reader.running():
            assert "succeeded" in reader.call(".venv/bin/python -m app runs")
