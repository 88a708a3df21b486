"""A browser without scripts at the pages for jobs that people add, and what it finds in their forms."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from functools import partial
from html import unescape

import httpx
import pytest
from everytick import AsyncIOScheduler
from everytick.api.loading import declared
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator

import added_tasks
import offered_tasks
from histories import prepared
from ledgers import found_in

TOKEN, READ_TOKEN = "all-all-all-all-all-all", "read-read-read-read-read"
REMIND, EXPORT, TOKENS = (f"offered_tasks:{name}" for name in ("remind", "export", "with_token"))
NIGHTLY = {"trigger": "crontab", "crontab.line": "30 2 * * 1-5"}
# Of a page, with whatever people give.
MOST_BYTES = 50_000


class Browser(httpx.AsyncClient):
    """A browser, and the CSRF token in the forms that it is shown."""

    proof = ""

    async def send_form(self, address: str, **fields: str) -> httpx.Response:
        """Send a form; `__` stands for a dot in the name of a field."""
        named = {name.replace("__", "."): value for name, value in fields.items()}
        return await self.post(address, data={"csrf_token": self.proof, **named})


async def signed_in(scheduler: AsyncIOScheduler, token: str = TOKEN) -> Browser:
    """Return a browser in which Anna has signed in to a dashboard that has the code of a schedule."""
    app = create_app(
        scheduler.ledger, Authenticator(TOKEN, READ_TOKEN), frozenset(), 0, partial(declared, scheduler)
    )
    made = Browser(transport=httpx.ASGITransport(app), base_url="http://here")
    await made.post("/login", data={"token": token, "name": "Anna"})
    found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', (await made.get("/")).text)
    made.proof = found[1] if found else ""
    return made


@pytest.fixture
async def browser(scheduler: AsyncIOScheduler) -> AsyncIterator[Browser]:
    """A browser that has signed in to the dashboard of a schedule that offers three functions."""
    for function in (offered_tasks.remind, offered_tasks.export, offered_tasks.with_token):
        scheduler.offer(function)
    scheduler.add_job(added_tasks.note, "interval", hours=1, id="of-the-code")
    prepared(scheduler)
    made = await signed_in(scheduler)
    yield made
    await made.aclose()


def text_of(answer: httpx.Response) -> str:
    """Return what a person reads."""
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", answer.text).split()))


def fields_of(answer: httpx.Response, form: str) -> dict[str, str]:
    """Return what a browser sends of a form, as it stands; `form` is in its beginning."""
    [body] = [it for it in re.findall(r"<form.*?</form>", answer.text, re.DOTALL) if form in it]
    found = {}
    for tag in re.findall(r"<input[^>]*>", body):
        name, value = (re.search(rf'{it}="([^"]*)"', tag) for it in ("name", "value"))
        if name and value and ('type="radio"' not in tag or " checked" in tag):
            found[name[1]] = unescape(value[1])
    for name_, text in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>', body, re.DOTALL):
        found[name_] = unescape(text)
    for name_, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', body, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options)
        found[name_] = unescape(chosen[1] or chosen[2]) if chosen else ""
    return found


def jobs_in(scheduler: AsyncIOScheduler) -> set[str]:
    """Return the ids of the jobs that are in force."""
    found = found_in(scheduler.ledger, "SELECT job_id FROM scheduler_jobs WHERE removed_us IS NULL")
    return {row["job_id"] for row in found}
