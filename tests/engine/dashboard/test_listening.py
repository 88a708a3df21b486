"""Addresses on which the dashboard cannot listen."""

from __future__ import annotations

import pytest
from everytick.dashboard.serving import _listen
from everytick.errors import LedgerError


@pytest.mark.parametrize("host", ["x" * 300, "a\udcff", "a..b", "no such host", "256.0.0.1"])
def test_a_host_that_there_cannot_be_is_one_sentence(host: str) -> None:
    with pytest.raises(LedgerError, match=r"cannot be listened on: .+ SCHEDULER_DASHBOARD_HOST"):
        _listen(host, 0)
