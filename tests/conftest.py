"""What all tests share.

The settings of the person who runs the tests must not matter. The environment is set before Copier
is imported, which keeps a copy of it.
"""

from __future__ import annotations

import os

for _name in [name for name in os.environ if name.startswith(("SCHEDULER_", "LOG_", "GIT_"))]:
    del os.environ[_name]
os.environ |= {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Tester",
    "GIT_AUTHOR_EMAIL": "tester@example.org",
    "GIT_COMMITTER_NAME": "Tester",
    "GIT_COMMITTER_EMAIL": "tester@example.org",
}

import pytest  # noqa: E402

from rendering import Project, TemplateHistory, fresh_folder  # noqa: E402

_settings = fresh_folder("copier") / "settings.yml"
_settings.write_text("defaults: {}\n", encoding="utf-8")
os.environ["COPIER_SETTINGS_PATH"] = str(_settings)


@pytest.fixture
def history() -> TemplateHistory:
    """A template with one release, 1.0.0."""
    made = TemplateHistory()
    made.release("1.0.0")
    return made


@pytest.fixture
def project(history: TemplateHistory) -> Project:
    """An application with all defaults, made from release 1.0.0."""
    return history.copy()
