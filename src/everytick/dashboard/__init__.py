"""The dashboard: pages and a JSON API that show the ledger and act on the schedule.

It reads the ledger alone, and acts through `SchedulerClient`, so it works beside the schedule, in the same
process or in another, and also while no scheduler is up.

The rooms, in the order in which a request passes through them:

- `settings`: where it listens, and its tokens
- `serving`, `server`: a thread beside the schedule, or a process of its own
- `connections`: how many connections there may be, and how long each may take
- `application`: everything put together
- `guard`: checks every request, and adds the security headers to every answer
- `authentication`: tokens, cookies, and the CSRF token, which shows that a request comes from a page of ours
- `sessions`: those that were ended by signing out
- `addresses`: of pages, below the path where the dashboard is mounted
- `pages`, `run_pages`, `actions`, `forms`, `rendering`, `static`: the pages and buttons for a browser, with
  styles and scripts
- `api`, `schemas`: the same for programs
- `control`, `explain`: actions and explanations, used by both
- `jobs`, `runs`, `processes`, `coming`: the contents of both, from the ledger
- `drawing`: pictures of it, as lines and boxes
- `live`: tells open pages that the ledger changed
- `answers`: few pages are made at a time, and the same one once for all who have it open
- `problems`: errors as sentences
- `probes`: health and metrics, for monitoring
"""
