"""Wrong settings stop `run` before anything is started; right ones are read from where people write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler, ConfigurationError

from application import Application
from inside import scheduler_settings
from test_bad_input import TASK
from test_bad_input import app as app


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SCHEDULER_TIMEZONE", "Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("SCHEDULER_TIMEZONE", "../../etc/passwd", "is not an IANA time zone"),
        ("SCHEDULER_MAX_WORKERS", "many", "SCHEDULER_MAX_WORKERS=many: input should be a valid integer"),
        ("SCHEDULER_MAX_WORKERS", "0", "greater than or equal to 1"),
        ("SCHEDULER_MISFIRE_GRACE_TIME", "-1", "greater than or equal to 1"),
        ("SCHEDULER_SHUTDOWN_GRACE_TIME", "soon", "input should be a valid number"),
        ("SCHEDULER_DATABASE_URL", "ledger.db", "must be sqlite:///relative/path.db"),
        ("SCHEDULER_DATABASE_URL", "sqlite://", "must be sqlite:///relative/path.db"),
        ("SCHEDULER_DATABASE_URL", "sqlite:///:memory:", "would forget every tick"),
        ("SCHEDULER_DATABASE_URL", "http://[bad", "must be sqlite:///relative/path.db"),
        ("SCHEDULER_DATABASE_URL", "postgresql://u:p%zz@h/db", "cannot be read: write postgresql://"),
        ("SCHEDULER_DATABASE_URL", "postgresql+asyncpg://me:secret@db/x", "must begin with postgresql://"),
        ("SCHEDULER_DATABASE_URL", f"sqlite:///{'a' * 248}", "the name of the ledger has 248 bytes"),
        ("SCHEDULER_DATABASE_URL", f"sqlite:///{'ä' * 124}", "the name of the ledger has 248 bytes"),
        ("SCHEDULER_DATABASE_URL", f"sqlite:////{'a/' * 252}b", "the path of the ledger has 506 bytes"),
        ("SCHEDULER_DATABASE_URL", f"sqlite:////{os.devnull}", f"{os.devnull} is no regular file, but"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL=LOUD"),
    ],
)
def test_a_wrong_setting_names_its_variable(tmp_path: Path, variable: str, value: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refusal, scheduler_settings(tmp_path, **{variable: value}):
        AsyncIOScheduler().ledger.exists()
    assert str(refusal.value).startswith(variable)
    assert sentence in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_ledger_whose_name_is_as_long_as_can_be_is_used(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/{'a' * 247}"
    with scheduler_settings(tmp_path, SCHEDULER_DATABASE_URL=url):
        AsyncIOScheduler().ledger.prepare()
    assert (tmp_path / ("a" * 247)).stat().st_size


@pytest.mark.full
@pytest.mark.parametrize(("command", "code"), [("run", 2), ("jobs", 2), ("doctor", 1)])
def test_no_command_takes_a_name_that_no_ledger_can_have(app: Application, command: str, code: int) -> None:
    app.environment["SCHEDULER_DATABASE_URL"] = f"sqlite:///{'a' * 248}"
    done = app.command(command)
    assert done.returncode == code
    assert "the name of the ledger has 248 bytes, and SQLite takes 247 at most" in done.stdout + done.stderr
    assert "all is in order" not in done.stdout
    assert not (app.folder / ("a" * 248)).exists()


def test_run_refuses_a_wrong_setting_before_it_touches_anything(app: Application) -> None:
    app.environment["SCHEDULER_TIMEZONE"] = "Europe/Berln"
    assert app.refused() == (
        "SCHEDULER_TIMEZONE: 'Europe/Berln' is not an IANA time zone such as Europe/Berlin;"
        " did you mean 'Europe/Berlin'?"
    )
    assert not app.ledger_file.exists()


@pytest.mark.full
def test_a_wrong_default_zone_in_the_project_file_is_a_sentence(app: Application) -> None:
    app.project_file.write_text('name = "x"\ntimezone = "Nowhere"\n')
    assert app.refused().startswith("SCHEDULER_TIMEZONE: 'Nowhere' is not an IANA time zone")
    app.project_file.write_text("name = \n")
    assert "project.toml: not valid TOML" in app.refused()


@pytest.mark.full
@pytest.mark.parametrize(
    "line", ["SCHEDULER_TIMEZONE: Europe/Berlin", 'SCHEDULER_TIMEZONE="Europe/Berlin', "SCHEDULER_TIMEZONE"]
)
def test_a_line_that_dotenv_would_pass_over_is_a_sentence(app: Application, line: str) -> None:
    (app.folder / ".env").write_text(f"# mine\n{line}\n")
    said = app.refused()
    assert ".env:" in said
    assert "this is not a line such as NAME=value" in said
    assert line not in said


@pytest.mark.full
def test_a_broken_config_file_is_a_sentence(app: Application) -> None:
    config = app.folder / "app/core/config.py"
    config.write_text(config.read_text() + "\nsettings = = 1\n")
    for command in ("run", "jobs", "runs"):
        done = app.command(command)
        assert done.returncode == 2
        assert done.stderr.startswith("error: app/core/config.py:"), done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.full
def test_a_dotenv_file_that_is_not_text_is_a_sentence(app: Application) -> None:
    (app.folder / ".env").write_bytes(b"LOG_LEVEL=\xff\xfe\n")
    assert app.refused().endswith(".env is not UTF-8 text")


@pytest.mark.full
def test_values_may_arrive_with_their_comment_or_quotes(app: Application) -> None:
    app.environment |= {
        "SCHEDULER_MISFIRE_GRACE_TIME": "600  # 10 minutes",
        "SCHEDULER_TIMEZONE": '"Asia/Tokyo"   # over there',
        "SCHEDULER_MAX_WORKERS": "",
    }
    with app.running() as process:
        process.says("zone Asia/Tokyo")


@pytest.mark.full
def test_the_environment_goes_before_the_dotenv_file_which_is_found_from_the_root(
    app: Application, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (app.folder / ".env").write_text(
        "SCHEDULER_TIMEZONE=Asia/Tokyo  # comment\nSCHEDULER_DATABASE_URL=sqlite:///elsewhere/my.db\n"
    )
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    app.environment["PYTHONPATH"] = str(app.folder)
    assert "Asia/Tokyo" in app.command("jobs", cwd=elsewhere).stdout
    with app.running():
        pass
    assert (app.folder / "elsewhere/my.db").exists()
    app.environment["SCHEDULER_TIMEZONE"] = "Asia/Seoul"
    assert "Asia/Seoul" in app.command("jobs", cwd=elsewhere).stdout


@pytest.mark.full
def test_an_unknown_setting_is_reported_with_the_nearest_real_one(app: Application) -> None:
    app.environment["SCHEDULER_MAX_WORKER"] = "4"
    (app.folder / ".env").write_text("SCHEDULER_TIME_ZONE=UTC\n")
    with app.running() as process:
        process.says("SCHEDULER_MAX_WORKER is not a setting")
        process.says("did you mean 'SCHEDULER_MAX_WORKERS'?")
        process.says("did you mean 'SCHEDULER_TIMEZONE'?")


@pytest.mark.full
def test_your_own_settings_are_checked_in_the_same_way(app: Application) -> None:
    config = app.folder / "app/core/config.py"
    config.write_text(
        config.read_text().replace(
            '    """The settings of this application."""',
            '    """The settings of this application."""\n\n    smtp_port: int',
        )
    )
    assert app.refused() == "SMTP_PORT: this setting is required and has no value"
    app.environment["SMTP_PORT"] = "25"
    with app.running():
        pass


@pytest.mark.full
def test_settings_of_your_own_are_read_as_they_are(app: Application) -> None:
    config = app.folder / "app/core/config.py"
    config.write_text(
        config.read_text().replace(
            '    """The settings of this application."""',
            '    """The settings of this application."""\n\n'
            '    smtp_password: str\n    channel: str = "none"',
        )
    )
    (app.folder / ".env").write_text('SMTP_PASSWORD="pa #ss"\nCHANNEL="#general"\n')
    app.tasks(
        "from app.core.config import settings\nfrom app.core.log import logger\n"
        "def task() -> None:\n"
        "    logger.info('{} {}', settings.smtp_password == 'pa #ss', settings.channel)\n"
    )
    app.schedule('scheduler.add_job(task, "date", id="t")', TASK)
    with app.running() as process:
        process.says("True #general")
