"""A secret of the settings is in no log line, ledger, command, page or answer of the API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from application import Application
from waiting import wait_for

KEY = """-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0B
MzEfYyjiWA4R4M2bS1GB4t7N
-----END PRIVATE KEY-----"""
VARIABLES = {
    "SMTP_PASSWORD": "two  blanks hunter2",
    "SIGNING": KEY,
    "SHOP_DSN": "postgresql://me:p%40ss-hunter2@db.example.org/shop",
    "SHOP_SERVERS": json.dumps([{"host": "a", "password": 'quo"ted\thunter2'}]),
    "HOOK": "https://hooks.example.org/services/T0/hunter2hunter2?ticket=hunter2-hunter2",
}
CONFIG = """
from everytick import SchedulerSettings
from pydantic import BaseModel, PostgresDsn, SecretStr

class Server(BaseModel):
    host: str
    password: str

class Settings(SchedulerSettings):
    smtp_password: str
    signing: SecretStr
    shop_dsn: PostgresDsn
    shop_servers: list[Server]
    hook: SecretStr

settings = Settings()
"""
TASKS = """
import asyncio, json, logging, threading
from urllib.parse import quote, unquote, urlsplit
from loguru import logger
from app.core.config import settings

def everything():
    given = [settings.smtp_password, settings.signing.get_secret_value(), str(settings.shop_dsn),
        settings.shop_servers[0].password, settings.hook.get_secret_value()]
    address = urlsplit(given[4])
    return given + [repr(settings.shop_servers), unquote(given[2]), quote(given[0], safe=""),
        json.dumps(given), repr(given), f"url: {address.path}?{address.query}", " ".join(given[1].split())]

def fails():
    for text in everything():
        logger.info("loguru {}", text)
        logging.getLogger("lib").warning("logging %s", text)
    raise ValueError("cannot use", *everything())

def fails_with_a_cause():
    try:
        raise KeyError(everything()[0])
    except KeyError as problem:
        raise ExceptionGroup("all", [ValueError(text) for text in everything()]) from problem

def ends_a_thread():
    def end(): raise ValueError(everything())
    thread = threading.Thread(target=end)
    thread.start()
    thread.join()

async def leaves_a_task():
    async def end(): raise ValueError(everything())
    asyncio.ensure_future(end())
    await asyncio.sleep(0.1)
"""
JOBS = ("fails", "fails_with_a_cause", "ends_a_thread", "leaves_a_task")
# A part of each.
PARTS = ("hunter2", "blanks", "MIIEvQ", "MzEfYy")


@pytest.mark.full
@pytest.mark.long
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_of_the_settings_is_shown_or_kept(tmp_path: Path, log_format: str) -> None:
    app = Application(tmp_path)
    app.environment |= {**VARIABLES, "LOG_FORMAT": log_format}
    (tmp_path / "app/core/config.py").write_text(CONFIG)
    app.tasks(TASKS)
    app.schedule(
        "\n".join(f'scheduler.add_job({name}, "date", id="{name}")' for name in JOBS),
        f"from app.services.my_tasks import {', '.join(JOBS)}\n",
    )
    with app.running() as process:
        wait_for(lambda: len(app.recorded("failed", "succeeded")) == len(JOBS), "the ends of the runs")
        said = app.command("pause", "fails", "--note", f"it uses {VARIABLES['SMTP_PASSWORD']}")
        assert said.returncode == 0, said.stderr
        shown = [
            app.command(*words).stdout + app.command(*words, "--json").stdout
            for words in (
                ("runs",),
                *(("show", str(row["run_id"])) for row in app.recorded()),
                ("why", "fails"),
                ("jobs",),
                ("audit",),
                ("doctor",),
            )
        ]
    kept = "".join(file.read_bytes().decode(errors="replace") for file in (tmp_path / "data").glob("*"))
    for part in PARTS:
        assert part not in process.log()
        assert part not in "".join(shown)
        assert part not in kept
    assert process.log().count("*****") > 10


@pytest.mark.full
@pytest.mark.parametrize(
    ("begin", "said"),
    [
        ("class Mine(BaseSettings):\n    smtp_password: str = Field(min_length=50)\nMine()", "at least 50"),
        ("raise ValueError(f'not {os.environ[\"HOOK\"]}')", None),
        ("Settings(shop_dsn=os.environ['HOOK'])", "SHOP_DSN: URL scheme should be"),
    ],
)
def test_a_start_that_fails_shows_no_secret(tmp_path: Path, begin: str, said: str | None) -> None:
    app = Application(tmp_path)
    app.environment |= VARIABLES
    imports = "import os\nfrom pydantic import Field\nfrom pydantic_settings import BaseSettings\n"
    (tmp_path / "app/core/config.py").write_text(f"{imports}{CONFIG}\n{begin}\n")
    app.schedule("pass", "from app.core.config import settings\n")
    sentence = app.refused()
    assert said is None or said in sentence
    assert not [part for part in PARTS if part in sentence]


@pytest.mark.full
def test_what_was_kept_before_a_secret_was_known_is_masked_where_it_is_shown(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.tasks("def fails():\n    print('x')\n    raise ValueError('with hunter2')\n")
    app.schedule('scheduler.add_job(fails, "date", id="fails")', "from app.services.my_tasks import fails\n")
    with app.running():
        wait_for(lambda: app.recorded("failed"), "the end of the run")
    [row] = app.recorded()
    shows = (("runs",), ("show", str(row["run_id"])), ("why", "fails"))
    assert "hunter2" in app.command(*shows[0]).stdout
    (tmp_path / "app/core/config.py").write_text(CONFIG.split("    signing")[0] + "\nsettings = Settings()\n")
    app.environment["SMTP_PASSWORD"] = "hunter2"
    for words in shows:
        done = app.command(*words)
        assert done.returncode == 0, done.stderr
        assert "hunter2" not in done.stdout + app.command(*words, "--json").stdout
        assert "*****" in done.stdout
