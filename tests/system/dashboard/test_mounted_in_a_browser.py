"""The dashboard inside of a web application, in a real browser: nothing leaves its path; it stays live."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from dashboard.visiting import launch
from waiting import wait_for
from web_programs import BIN, Program

pytestmark = pytest.mark.full

SHOP = """
from contextlib import asynccontextmanager

from everytick import AsyncIOScheduler, dashboard
from fastapi import FastAPI, HTTPException
from fastapi.responses import RedirectResponse

scheduler = AsyncIOScheduler(timezone="UTC")
scheduler.add_job(print, "interval", hours=1, args=["hello"], id="hourly")

@asynccontextmanager
async def lifespan(app):
    async with scheduler:
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/enter/{name}")
def enter(name: str):
    answer = RedirectResponse("/admin/schedule/", 303)
    answer.set_cookie("who", name)
    return answer

def sign_in(request):
    name = request.cookies.get("who")
    if name is None:
        raise HTTPException(303, headers={"Location": "/enter/Ann"})
    return name, "all"

app.mount("/admin/schedule", dashboard.asgi(scheduler, sign_in=sign_in))
"""


def test_below_a_path_of_the_application_all_pages_and_actions_work_and_the_server_stops(
    tmp_path: Path,
) -> None:
    shop = Program(tmp_path)
    shop.write("shop.py", SHOP)
    command = (BIN / "python", "-m", "uvicorn", "--port", "0", "shop:app")
    with (
        sync_playwright() as playwright,
        shop.running(*command, until=r"running on http://127.0.0.1:(\d+)", code=-signal.SIGTERM) as server,
    ):
        below = f"http://127.0.0.1:{shop.port}/admin/schedule/"
        browser = launch(playwright.chromium)
        page = browser.new_page()
        complaints: list[str] = []
        asked: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(below)
        assert page.url == below
        expect(page.get_by_text("● Live.")).to_be_visible()
        for link in page.get_by_label("Pages").get_by_role("link").all_inner_texts():
            page.get_by_label("Pages").get_by_role("link", name=link, exact=True).click()
            expect(page.get_by_text("● Live.")).to_be_visible()
        page.goto(f"{below}job?id=hourly")
        page.get_by_role("button", name="Run now").first.click()
        expect(page.locator("#said")).to_contain_text("Run 1")
        # It is shown without a reload, also after the stream was opened anew.
        expect(page.locator("#history")).to_contain_text("succeeded", timeout=20_000)
        streams = sum(url.endswith("/live") for url in asked)
        page.wait_for_event("request", lambda request: request.url.endswith("/live"))
        assert sum(url.endswith("/live") for url in asked) > streams
        expect(page.get_by_text("● Live.")).to_be_visible()
        page.locator("#history").get_by_role("link", name="1", exact=True).first.click()
        expect(page.get_by_role("heading", name="Run 1")).to_be_visible()
        sign_in = below.replace("admin/schedule/", "enter/")
        assert [url for url in asked if not url.startswith((below, sign_in))] == []
        assert complaints == []
        # With the page open, whose stream the server waits for.
        server.terminate()
        wait_for(lambda: server.poll() is not None, "the end of the server", 30)
        browser.close()
    assert [row["state"] for row in shop.rows()] == ["succeeded"]
