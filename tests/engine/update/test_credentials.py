"""No update prints the password of an address."""

from __future__ import annotations

import pytest
from everytick.update.problem import UpdateError


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:pw@host/x.git", "http://***@host/x.git"),
        ("https://ghp_123@host/x", "https://***@host/x"),
        ("https://user:p@ss:w@host:8443/x", "https://***@host:8443/x"),
        ("ssh://git:pw@host/x", "ssh://git:***@host/x"),
        ("git+https://user:pw@host/x", "git+https://***@host/x"),
        *(2 * (same,) for same in ("git@host:x.git", "ssh://git@host/x", "https://host/@scope/x", "/a/b@c")),
    ],
)
def test_an_error_has_no_password_in_it(address: str, shown: str) -> None:
    said = str(UpdateError(f"the template is not at {address}, or not: fatal: '{address}' not found"))
    assert said == f"the template is not at {shown}, or not: fatal: '{shown}' not found"
