"""The questions of the template, asked without rendering anything, and answers that are hard to carry."""

from __future__ import annotations

import re
from functools import cache

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from app_session import ROOT
from rendering import QUESTIONS, SETTINGS

HOSTILE = (
    """O'Neil "the\\ \\n" <b>&amp;</b> *x* _y_ `z` [a](b) # | ~~s~~ $1 %s {0} """
    "ä ß 日本 👩\u200d💻 ½"
)
BRACES = "{{ undefined_name }} {% raise %} {# gone #}"


@cache
def environment() -> jinja2.Environment:
    """Return Jinja as Copier sets it up, so that many answers can be tried without a render."""
    return SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(ROOT),
        extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=SETTINGS["_envops"]["trim_blocks"],
        lstrip_blocks=SETTINGS["_envops"]["lstrip_blocks"],
    )


def refusal(question: str, answer: str) -> str:
    """Return what the question's validator says; nothing means that the answer is right."""
    validator = environment().from_string(QUESTIONS[question]["validator"])
    context = {"_copier_answers": {"_src_path": "gh:owner/template"}, question: answer}
    return validator.render(context).strip()


def included(name: str) -> list[str]:
    """Return the names of a list in `includes/`."""
    return (ROOT / "includes" / name).read_text(encoding="utf-8").splitlines()[1:]


def canonical(name: str) -> str:
    """Return the name of a package as installers compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
