"""How to embed the scheduler in a web application, followed word by word: its blocks are what is done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from reading import Page, Reader, in_a_program, ledger, new_project
from waiting import wait_for

UVICORN = (" --port 8791", "Uvicorn running on http")
GUNICORN = (" --bind 127.0.0.1:8791", "Booting worker")


@pytest.mark.full
def test_embed_in_a_web_application() -> None:
    page, reader = Page("embed-in-a-web-application"), new_project()
    # FastAPI, with the dashboard in it.
    reader.write(page.take("python", "# app/web.py"))
    install, serve = page.take("console").strip().splitlines()
    assert (install, serve) == ("$ make install", "$ .venv/bin/uvicorn app.web:web")
    reader.call(install.removeprefix("$ "))
    reader.call("uv pip install --quiet --python .venv httpx litestar django flask gunicorn")
    with served(reader, serve, UVICORN) as asked:
        assert [asked("post", "/reports/7") for _ in range(2)] == ['200 {"job":"report-7"}'] * 2
    assert "report-7" in reader.call(".venv/bin/python -m app jobs")
    reader.add(page.take("python", "# at the end of app/web.py"), "app/web.py")
    with served(reader, serve, UVICORN) as asked:
        assert asked("get", "/scheduler/").startswith("303")
        assert "token" in asked("get", "/scheduler/login")
    own = page.take("python", "# instead of the last line of app/web.py")
    reader.change("app/web.py", 'web.mount("/scheduler", dashboard.asgi(SchedulerClient()))\n', own)
    with served(reader, serve, UVICORN) as asked:
        assert asked("get", "/scheduler/").startswith("403")
        assert asked("get", "/scheduler/", cookie="user=ann").startswith("200")
        assert "read only" in asked("get", "/scheduler/", cookie="user=bob")
        assert asked("get", "/scheduler/health/live").startswith("200")
    # Others with an event loop.
    for framework in ("starlette", "litestar"):
        reader.write(page.take("python", f"# app/{framework}_web.py"))
        with served(reader, page.take("console"), UVICORN) as asked:
            check_mounted(asked)
    for name in ("apps", "settings", "urls", "asgi"):
        reader.write(page.take("python", f"# app/django_{name}.py"))
    with served(reader, page.take("console"), UVICORN) as asked:
        assert asked("get", "/reports/8") == '200 {"job": "report-8"}'
        check_mounted(asked)
    # Those without.
    reader.follow(page.take("console", "$ sed -i"))
    with reader.running():
        pass
    reader.write(page.take("python", "# app/flask_web.py"))
    serve = page.take("console", "$ .venv/bin/gunicorn --workers 4")
    with served(reader, serve, GUNICORN) as asked:
        assert asked("post", "/reports/9") == '200 {"job":"report-9"}\n'
    reader.write(page.take("python", "# gunicorn.conf.py"))
    reader.change("app/flask_web.py", "scheduler.start()\n", "")
    with served(reader, serve.replace("gunicorn ", "gunicorn --preload "), GUNICORN) as asked:
        assert asked("post", "/reports/9") == '200 {"job":"report-9"}\n'
    (reader.folder / "gunicorn.conf.py").unlink()
    reader.write(page.take("python", "# app/services/cleaning.py"))
    jobs = "print([(job.id, job.added) for job in scheduler.get_jobs()])"
    print_jobs = f"from app.services.cleaning import scheduler; {jobs}"
    assert "('sweep', False), ('clean', False)" in reader.call(f'.venv/bin/python -c "{print_jobs}"')
    # Other programs.
    reader.call("git checkout --quiet app/components")
    reader.write(page.take("python", "# app/bot.py"))
    with reader.running(page.take("console").strip().removeprefix("$ "), "time to drink some water") as log:
        pass
    assert "the bot has stopped" in log.read_text()
    reader.write(page.take("python", "# keep_time.py"))
    with reader.running(page.take("console").strip().removeprefix("$ "), "another second"):
        pass
    # Around all of them.
    workers = page.take("console", "$ .venv/bin/uvicorn app.web:web --workers 4")
    with served(reader, workers, UVICORN) as asked:
        assert asked("post", "/reports/7") == '200 {"job":"report-7"}'
    pause = page.take("python", "async with create_scheduler() as scheduler:")
    in_a_program(reader, pause, "from app.components.scheduler.main import create_scheduler")
    before = ledger(reader)
    reader.write(page.take("python", "# tests/test_web.py"))
    reader.call("make test")
    assert ledger(reader) == before
    page.ends()


@contextmanager
def served(reader: Reader, block: str, server: tuple[str, str]) -> Iterator[Callable[..., str]]:
    """Run the command of a block, a server on a port of its own; give a function that asks it."""
    port, until = server

    def ask(method: str, path: str, cookie: str = "") -> str:
        answer = httpx.request(method, f"http://127.0.0.1:8791{path}", headers={"Cookie": cookie}, timeout=20)
        return f"{answer.status_code} {answer.text}"

    with reader.running(f"{block.strip().removeprefix('$ ')}{port}", until):
        wait_for(lambda: reaches(ask), "the server")
        yield ask


def reaches(ask: Callable[..., str]) -> bool:
    try:
        return bool(ask("get", "/"))
    except httpx.TransportError:
        return False


def check_mounted(asked: Callable[..., str]) -> None:
    page = asked("get", "/scheduler/login")
    assert page.startswith("200")
    [style] = re.findall(r'href="(/scheduler/static/style[^"]+)"', page)
    assert asked("get", style).startswith("200")
    assert asked("get", "/scheduler/").startswith("303")
