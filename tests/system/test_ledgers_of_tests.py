"""Tests of an application never use its real ledger: each has one of its own, unless it asks for another."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from everytick.testing import use_ledger
from everytick.under_pytest import VARIABLE, ledger_url

from child_pytest import LOADED_PYTEST

# An application that starts its schedule by itself, as a web application does in its lifespan.
SHOP = '''
import asyncio
from contextlib import asynccontextmanager, contextmanager

from everytick import AsyncIOScheduler, SchedulerClient

ran = []
client = SchedulerClient()


def tick(*_):
    ran.append(1)


def create_scheduler():
    scheduler = AsyncIOScheduler()
    scheduler.add_job(tick, "interval", hours=1, id="hourly")
    return scheduler


async def start(job=None):
    async with create_scheduler() as scheduler:
        if job:
            scheduler.add_job("shop:tick", "date", run_date="2099-01-01", id=job)
        return sorted(it.id for it in scheduler.get_jobs())


@contextmanager
def started():
    """As TestClient(app) does: the lifespan lasts as long as the block."""
    with asyncio.Runner() as runner:
        scheduler = create_scheduler()
        runner.run(scheduler.__aenter__())
        yield scheduler
        runner.run(scheduler.drain())
'''
PROJECT = """
[tool.everytick]
app = "shop:create_scheduler"
[tool.pytest.ini_options]
pythonpath = ["."]
"""


def write_shop(folder: Path) -> Path:
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "shop.py").write_text(SHOP)
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_shop(tmp_path)


def run_tests(
    folder: Path, text: str, *arguments: str, code: int = 0, touched: bool = False, **variables: str
) -> str:
    """Run a file of tests in a pytest of its own; the real ledger comes of it only if `touched`."""
    (folder / "test_shop.py").write_text(text)
    ours = ("EVERYTICK_", "SCHEDULER_", "PYTEST_", "COV_", "COVERAGE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [*LOADED_PYTEST, "-q", *arguments],
        cwd=folder, env=environment | variables,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert (folder / "data").exists() == touched
    return done.stdout + done.stderr


@pytest.mark.full
def test_each_test_begins_with_an_empty_ledger(shop: Path) -> None:
    run_tests(
        shop,
        "import asyncio, unittest, pytest, shop\n"
        "from everytick import LedgerReader\n"
        "@pytest.mark.parametrize('job', ['one', 'two'])\n"
        "def test_plain(job):\n"
        "    assert shop.client.get_jobs() == []\n"
        "    assert asyncio.run(shop.start(job)) == ['hourly', job]\n"
        "    assert [it.id for it in shop.client.get_jobs()] == [job]\n"
        "    shop.client.add_job('shop:tick', 'date', run_date='2099-01-01', id='three')\n"
        "    assert asyncio.run(shop.start()) == sorted(['hourly', 'three', job])\n"
        "async def test_coroutine():\n"
        "    assert await shop.start('one') == ['hourly', 'one']\n"
        "class TestShop(unittest.IsolatedAsyncioTestCase):\n"
        "    async def asyncSetUp(self):\n"
        "        assert await shop.start('zero') == ['hourly', 'zero']\n"
        "    async def test_a(self):\n"
        "        assert await shop.start('one') == ['hourly', 'one', 'zero']\n"
        "    test_b = test_a\n",
        "-o", "asyncio_mode=auto",
    )  # fmt: skip


@pytest.mark.full
def test_what_the_environment_and_the_settings_say_does_not_count(shop: Path) -> None:
    """It is what a .env has, or the machine on which the tests run."""
    real = f"sqlite:///{shop / 'data/real.db'}"
    (shop / ".env").write_text(f"SCHEDULER_DATABASE_URL={real}\n")
    run_tests(
        shop,
        "import asyncio, shop\n"
        "def test_it(monkeypatch):\n"
        f"    monkeypatch.setenv('SCHEDULER_DATABASE_URL', {real!r})\n"
        "    assert asyncio.run(shop.start()) == ['hourly']\n",
        SCHEDULER_DATABASE_URL=real,
    )


@pytest.mark.full
@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_what_starts_once_for_many_tests_has_one_ledger_which_they_share(shop: Path, scope: str) -> None:
    run_tests(
        shop,
        "import asyncio, pytest, shop\n"
        f"@pytest.fixture(scope={scope!r})\n"
        "def started():\n"
        "    with shop.started() as scheduler:\n"
        "        shop.client.add_job('shop:tick', 'date', run_date='2099-01-01', id='of the fixture')\n"
        "        yield scheduler\n"
        f"@pytest.fixture(scope={scope!r}, autouse=True)\n"
        "def another(): yield 1\n"
        "class TestShared:\n"
        "    def test_first(self, started):\n"
        "        started.add_job('shop:tick', 'date', run_date='2099-01-01', id='one')\n"
        "    def test_second(self, started):\n"
        "        assert {it.id for it in shop.client.get_jobs()} == {'of the fixture', 'one'}\n"
        "    def test_another(self):\n"
        "        assert shop.client.get_jobs() == []\n"
        "    def test_third(self, request):\n"
        "        request.getfixturevalue('started').remove_job('one')\n",
    )


@pytest.mark.full
@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_what_starts_once_for_many_tests_ends_on_its_own_ledger_too(shop: Path, scope: str) -> None:
    run_tests(
        shop,
        "import asyncio, subprocess, sys, unittest, pytest, shop\n"
        "def jobs():\n"
        "    return sorted(it.id for it in shop.client.get_jobs())\n"
        "def begin(name):\n"
        "    shop.client.add_job('shop:tick', 'date', run_date='2099-01-01', id=name)\n"
        f"@pytest.fixture(scope={scope!r})\n"
        "def first():\n"
        "    begin('first')\n"
        "    yield\n"
        "    assert jobs() == ['first', 'second']\n"
        "    code = 'import shop; shop.client.remove_job(\"first\")'\n"
        "    subprocess.run([sys.executable, '-c', code], check=True)\n"
        "    assert jobs() == ['second']\n"
        f"@pytest.fixture(scope={scope!r})\n"
        "def second(first):\n"
        "    begin('second')\n"
        "    yield\n"
        "    assert jobs() == ['first', 'second']\n"
        f"@pytest.fixture(scope={scope!r})\n"
        "def other(request):\n"
        "    begin('other')\n"
        "    request.addfinalizer(lambda: ended.append(jobs()))\n"
        "ended = []\n"
        "class TestShared:\n"
        "    def test_first(self, first, second): pass\n"
        "    def test_other(self, other): assert jobs() == ['other']\n"
        "    def test_none(self): assert jobs() == []\n"
        "class TestUnit(unittest.TestCase):\n"
        "    @classmethod\n"
        "    def setUpClass(cls): begin('unit')\n"
        "    @classmethod\n"
        "    def tearDownClass(cls): ended.append(jobs())\n"
        "    def test_a(self): assert jobs() == ['unit']\n"
        "    def test_b(self): begin('more')\n"
        "@pytest.fixture(scope='session', autouse=True)\n"
        "def at_the_end():\n"
        "    yield\n"
        "    assert sorted(ended) == [['more', 'unit'], ['other']]\n",
    )


@pytest.mark.full
def test_fixtures_of_the_same_name_in_two_places_have_a_ledger_each(shop: Path) -> None:
    place = (
        "    @pytest.fixture(scope='session')\n"
        "    def started(self):\n"
        "        shop.client.add_job('shop:tick', 'date', run_date='2099-01-01', id='once')\n"
        "    def test_it(self, started):\n"
        "        assert len(shop.client.get_jobs()) == 1\n"
    )
    run_tests(shop, f"import pytest, shop\nclass TestOne:\n{place}class TestOther:\n{place}")


@pytest.mark.full
def test_what_a_class_or_a_module_sets_up_is_a_fixture_too(shop: Path) -> None:
    run_tests(
        shop,
        "import asyncio, unittest, shop\n"
        "def setup_module():\n"
        "    asyncio.run(shop.start('module'))\n"
        "def setup_function():\n"
        "    asyncio.run(shop.start('function'))\n"
        "def test_it():\n"
        "    assert {it.id for it in shop.client.get_jobs()} == {'module', 'function'}\n"
        "class TestClass(unittest.TestCase):\n"
        "    @classmethod\n"
        "    def setUpClass(cls):\n"
        "        asyncio.run(shop.start('class'))\n"
        "    def test_it(self):\n"
        "        assert {it.id for it in shop.client.get_jobs()} == {'module', 'function', 'class'}\n",
    )


@pytest.mark.full
def test_a_process_that_a_test_starts_uses_the_ledger_of_the_test(shop: Path) -> None:
    run_tests(
        shop,
        "import multiprocessing, os, subprocess, sys, pytest, shop\n"
        "CODE = 'import asyncio, shop; asyncio.run(shop.start(\"child\"))'\n"
        "def call(): subprocess.run([sys.executable, '-c', CODE], check=True)\n"
        "def add(job): shop.client.add_job('shop:tick', 'date', run_date='2099-01-01', id=job)\n"
        "@pytest.fixture(scope='module')\n"
        "def server(): call()\n"
        "def test_child():\n"
        "    call()\n"
        "    for method in ('fork', 'spawn'):\n"
        "        child = multiprocessing.get_context(method).Process(target=add, args=[method])\n"
        "        child.start(); child.join()\n"
        "    assert {it.id for it in shop.client.get_jobs()} == {'child', 'fork', 'spawn'}\n"
        "def test_server(server):\n"
        "    assert [it.id for it in shop.client.get_jobs()] == ['child']\n"
        "def test_command():\n"
        "    call()\n"
        "    command = [sys.executable, '-m', 'everytick', 'remove', 'child']\n"
        "    subprocess.run(command, check=True)\n"
        "    assert shop.client.get_jobs() == []\n",
        "-W", "default::DeprecationWarning",
    )  # fmt: skip


@pytest.mark.full
def test_an_application_that_a_test_has_made_keeps_the_ledger_that_it_names(
    shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = write_shop(tmp_path_factory.mktemp("made"))
    run_tests(
        shop,
        "import subprocess, sys\n"
        "def test_child():\n"
        "    code = 'import asyncio, shop; asyncio.run(shop.start())'\n"
        f"    subprocess.run([sys.executable, '-c', code], check=True, cwd={str(made)!r})\n",
    )
    assert (made / "data/ledger.db").exists()


@pytest.mark.full
@pytest.mark.parametrize("arguments", [["-n", "2"], ["-p", "no:everytick"]])
def test_so_it_is_with_other_plugins(shop: Path, arguments: list[str]) -> None:
    run_tests(
        shop,
        "import asyncio, pytest, shop\n"
        "@pytest.mark.parametrize('number', range(6))\n"
        "def test_it(number):\n"
        "    assert asyncio.run(shop.start('one')) == ['hourly', 'one']\n"
        "    assert len(shop.client.get_jobs()) == 1\n",
        *arguments,
    )


@pytest.mark.full
def test_a_ledger_may_be_asked_for(shop: Path) -> None:
    run_tests(
        shop,
        "import asyncio, pytest, shop\n"
        "from everytick.testing import use_ledger\n"
        "@pytest.fixture(scope='module')\n"
        "def asked(tmp_path_factory):\n"
        "    file = tmp_path_factory.mktemp('x') / 'asked.db'\n"
        "    with use_ledger(f'sqlite:///{file}'):\n"
        "        asyncio.run(shop.start('one'))\n"
        "        yield file\n"
        "def test_it(asked):\n"
        "    assert asked.exists()\n"
        "    assert [it.id for it in shop.client.get_jobs()] == ['one']\n"
        "def test_the_real_one(monkeypatch):\n"
        "    with use_ledger():\n"
        "        assert asyncio.run(shop.start('real')) == ['hourly', 'real']\n"
        "    assert shop.client.get_jobs() == []\n",
        "-k", "not real",
    )  # fmt: skip
    run_tests(shop, (shop / "test_shop.py").read_text(), "-k", "real", touched=True)
    assert (shop / "data/ledger.db").exists()


@pytest.mark.full
def test_the_schedule_and_its_commands_need_no_ledger_to_be_read(shop: Path) -> None:
    """As the tests of a new application do, in whatever order."""
    run_tests(
        shop,
        "import shop\nscheduler = shop.create_scheduler()\n"
        "def test_it(schedule): assert schedule.job_ids == ['hourly']\n",
    )


@pytest.mark.full
def test_pytest_in_pytest_has_its_own_ledgers(shop: Path) -> None:
    inner = (
        "import asyncio, shop\ndef test_inner(): assert asyncio.run(shop.start('in')) == ['hourly', 'in']\n"
    )
    run_tests(
        shop,
        "import asyncio, shop\n"
        "def test_it(pytester):\n"
        "    asyncio.run(shop.start('out'))\n"
        f"    pytester.makepyfile({inner!r})\n"
        "    pytester.runpytest_inprocess().assert_outcomes(passed=1)\n"
        "    assert [it.id for it in shop.client.get_jobs()] == ['out']\n",
        "-p", "pytester", "-p", "no:asyncio", "-W", "default",
    )  # fmt: skip


@pytest.mark.full
def test_tasks_that_ask_where_the_ledger_is_can_be_imported(shop: Path) -> None:
    run_tests(
        shop,
        "from everytick import LedgerReader\n"
        "REAL = LedgerReader().folder\n"
        "def test_it(): assert LedgerReader().is_file and LedgerReader().folder != REAL\n",
    )


@pytest.mark.full
def test_nothing_stays_in_the_folder_for_temporary_files(
    shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tmp")
    text = "import asyncio, shop\ndef test_it(): asyncio.run(shop.start())\n"
    run_tests(shop, text, TMPDIR=str(folder))
    assert list(folder.iterdir()) == []


def test_a_child_is_told_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert os.environ[VARIABLE] == ""
    with use_ledger("sqlite:////tmp/x.db"):
        assert os.environ[VARIABLE] == ledger_url(Path.cwd()) == "sqlite:////tmp/x.db"
        with use_ledger():
            assert ledger_url(Path.cwd()) is None
    assert os.environ[VARIABLE] == ""
    assert re.fullmatch("[A-Z_]+", VARIABLE)
