"""The dashboard: pages and a JSON API that show the ledger and act on the schedule.

It reads the ledger alone, and acts through `SchedulerClient`, so it works beside the schedule, in the same
process or in another, and also while no scheduler is up.

The rooms, in the order in which a request passes through them:

- `settings`: where it listens, and its tokens
- `mounted`: inside of another web application, see `asgi`
- `serving`, `server`: a thread beside the schedule, or a process of its own
- `links`: the link that signs in, and whether it works
- `connections`: how many connections there may be, and how long each may take
- `application`: everything put together
- `guard`: checks every request, and adds the security headers to every answer
- `own_sign_in`: what such an application says about who asks
- `authentication`: tokens, cookies, and the CSRF token, which shows that a request comes from a page of ours
- `sessions`: those that were ended by signing out
- `addresses`: of pages, below the path where the dashboard is mounted
- `pages`, `run_pages`: the pages for a browser
- `actions`, `forms`, `rendering`, `static`: their buttons, how they are made, and their styles and scripts
- `api`, `schemas`: the same for programs
- `backfills`: the page and the API of backfills
- `offered`: jobs of functions that the code offers, which people add, change and remove
- `adding`, `job_forms`, `option_fields`: the pages for that, and their forms
- `offer_api`, `offer_schemas`, `wrong_json`: the same for programs
- `control`, `explain`: actions and explanations, used by both
- `overview`, `jobs`, `runs`, `processes`, `coming`: the contents of both, from the ledger
- `drawing`: pictures of it, as lines and boxes
- `live`: tells open pages that the ledger changed
- `answers`: few pages are made at a time, and the same one once for all who have it open
- `problems`: errors as sentences
- `probes`: health and metrics, for monitoring
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from everytick.errors import ConfigurationError, how_to_install

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from .mounted import HasLedger
    from .own_sign_in import SignIn

__all__ = ["asgi"]


def asgi(scheduler: HasLedger, *, sign_in: SignIn | None = None) -> ASGIApp:
    """Return the dashboard as an ASGI application, to be mounted in another one below a path of its own.

    Args:
        scheduler: the one whose ledger it shows, or a `SchedulerClient`. It need not run, nor run here.
        sign_in: gets Starlette's `Request` and returns who asks, with a role: `("Ann", "all")` may act,
            `("Bob", "read")` may look. None: refused; an `HTTPException` of Starlette's or FastAPI's is sent,
            such as one that leads to a page to sign in. It may be a coroutine function; a plain one is called
            on a thread. Without it, the dashboard's own tokens are asked for.

    With SCHEDULER_DASHBOARD_NAMES it answers under these names alone, else under those of the application.

    Raises:
        ConfigurationError: the dashboard is not installed.

    Example:
        from everytick import AsyncIOScheduler, dashboard
        from starlette.applications import Starlette
        from starlette.routing import Mount

        scheduler = AsyncIOScheduler()
        app = Starlette(routes=[Mount("/scheduler", dashboard.asgi(scheduler))])
    """
    try:
        from .mounted import Mounted
    except ImportError as problem:
        what = f"the dashboard needs what is not installed: {problem}; {how_to_install('dashboard')}"
        raise ConfigurationError(what) from None
    return Mounted(scheduler, sign_in)
