"""While tests are collected, and where the plugin is not, no ledger is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from test_ledgers_of_tests import run_tests
from test_ledgers_of_tests import shop as shop

AT_IMPORT = {
    "start": "asyncio.run(shop.start())",
    "client": "shop.client.add_job('shop:tick', 'date', run_date='2099-01-01', id='x')",
    "reader": "LedgerReader().outcome_counts(timedelta(1))",
}


@pytest.mark.full
@pytest.mark.parametrize("line", AT_IMPORT.values(), ids=AT_IMPORT)
def test_no_ledger_is_used_while_tests_are_collected(shop: Path, line: str) -> None:
    said = run_tests(
        shop,
        "import asyncio, shop\nfrom datetime import timedelta\nfrom everytick import LedgerReader\n"
        f"{line}\ndef test_it(): pass\n",
        code=2,
    )
    assert "LedgerError: pytest is running, but no test is: what uses the ledger here would use" in said


@pytest.mark.full
@pytest.mark.parametrize("place", ["test_shop.py", "conftest.py"])
def test_nor_in_a_process_that_is_started_then(shop: Path, place: str) -> None:
    code = "import asyncio, shop; asyncio.run(shop.start())"
    text = f"import subprocess, sys\ndone = subprocess.run([sys.executable, '-c', {code!r}])\n"
    text += "def test_it(): assert done.returncode == 1\n"
    if place == "conftest.py":
        (shop / place).write_text(text)
        text = "from conftest import done, test_it\n"
    assert "LedgerError: pytest is running" in run_tests(shop, text, "-s")


@pytest.mark.full
@pytest.mark.parametrize("how", ["disabled", "no plugins"])
def test_without_the_plugin_no_ledger_is_used_at_all(shop: Path, how: str) -> None:
    arguments = ["-p", "no:everytick.testing"] if how == "disabled" else []
    variables = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} if how == "no plugins" else {}
    said = run_tests(
        shop,
        "import asyncio, shop\ndef test_it(): asyncio.run(shop.start())\n",
        *arguments, code=1, touched=False, **variables,
    )  # fmt: skip
    assert "LedgerError: pytest is running without everytick's plugin, which gives each test" in said
    assert "call pytest with `-p everytick.testing`" in said
