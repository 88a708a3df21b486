"""Processes that share the work: some claim ticks, others run them, each for its queues."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler, ScheduleError
from everytick.telemetry import health

from application import Application, Running
from bodies import deploy, entered, kill, let, marks
from inside import log as log
from inside import overlaps, rows, rows_of, scheduler_settings, until
from waiting import wait_for


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


def start(app: Application, role: str, queues: str = "") -> Running:
    """Start a process of a role."""
    app.environment |= {"SCHEDULER_ROLE": role, "SCHEDULER_QUEUES": queues}
    try:
        return app.start()
    finally:
        del app.environment["SCHEDULER_ROLE"], app.environment["SCHEDULER_QUEUES"]


def stop(*processes: Running) -> None:
    """Stop processes, and expect that all goes well."""
    for process in processes:
        process.popen.send_signal(signal.SIGTERM)
    for process in processes:
        assert process.popen.wait(40) == 0, process.log()


@pytest.mark.full
async def test_runs_that_a_scheduler_claims_wait_for_a_worker(tmp_path: Path) -> None:
    ran: list[str] = []
    with scheduler_settings(tmp_path, SCHEDULER_ROLE="scheduler"):
        scheduler = AsyncIOScheduler()
        scheduler.add_job(lambda: ran.append("x"), "interval", seconds=1, id="job")
        async with scheduler:
            await until(lambda: rows(scheduler))
        [row, *_more] = rows(scheduler)
        assert (row["state"], row["process_id"], row["started_us"]) == ("queued", None, None)
        assert not ran
    with scheduler_settings(tmp_path, SCHEDULER_ROLE="worker"):
        worker = AsyncIOScheduler()
        worker.add_job(lambda: ran.append("x"), "interval", seconds=1, id="job")
        async with worker:
            await until(lambda: rows(worker, "succeeded"))
            assert len(rows(worker)) == len(rows(scheduler))
    assert ran == ["x"]


async def test_a_tick_is_skipped_while_the_one_before_is_still_queued(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_ROLE="scheduler"):
        scheduler = AsyncIOScheduler()
        scheduler.add_job(print, "interval", seconds=0.3, id="job")
        async with scheduler:
            await until(lambda: len(overlaps(scheduler)) >= 2)
        assert len(rows(scheduler, "queued")) == 1
        # What else is skipped fell into a moment in which the machine stood still.
        assert {row["reason"] for row in rows(scheduler, "skipped")} <= {"overlap", "coalesced"}


async def test_a_process_keeps_its_own_queues_and_hands_over_the_others(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_QUEUES="default, mail"):
        scheduler = AsyncIOScheduler()
        scheduler.add_job(print, "interval", seconds=1, id="here")
        scheduler.add_job(print, "interval", seconds=1, id="mail", queue="mail")
        scheduler.add_job(print, "interval", seconds=1, id="there", queue="reports")
        async with scheduler:
            await until(lambda: {"here", "mail"} <= {row["job_id"] for row in rows(scheduler, "succeeded")})
            await until(lambda: "there" in {row["job_id"] for row in rows(scheduler)})
        assert {row["state"] for row in rows_of(scheduler, "there")} <= {"queued", "skipped"}


async def test_a_queue_that_no_job_has_is_told_at_the_start_and_by_health(
    tmp_path: Path, log: list[str]
) -> None:
    # As by a typing error: nothing that it claims ever runs.
    with scheduler_settings(tmp_path, SCHEDULER_QUEUES="nope"):
        scheduler = AsyncIOScheduler()
        scheduler.add_job(print, "interval", seconds=0.3, id="job")
        scheduler.add_job(print, "interval", hours=5, id="other", queue="reports")
        async with scheduler:
            told = [line.strip() for line in log if "SCHEDULER_QUEUES" in line]
            assert told == ["SCHEDULER_QUEUES: no job has the queue nope; the jobs' are default, reports"]
            await until(lambda: len(overlaps(scheduler)) >= 2)
            found = health.check(scheduler.ledger)
            assert [problem.sentence for problem in found.problems] == [
                "no process that is up serves the queue default: the runs of 1 job wait there",
                "no process that is up serves the queue reports: the runs of 1 job wait there",
            ]
        skips = {line.strip() for line in log if line.startswith("skipped: an earlier run")}
        assert skips == {
            "skipped: an earlier run was not over yet, or waits for a worker that serves its queue, default,"
            " and max_instances=1"
        }


async def test_health_remarks_on_a_queue_that_nothing_serves_while_others_go_on(
    tmp_path: Path, log: list[str]
) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_QUEUES="default"):
        scheduler = AsyncIOScheduler()
        scheduler.add_job(print, "interval", hours=5, id="job")
        scheduler.add_job(print, "interval", hours=5, id="other", queue="reports")
        async with scheduler:
            found = health.check(scheduler.ledger)
        assert found.ready
        [remark] = found.remarks
        assert (
            remark.sentence == "no process that is up serves the queue reports: the runs of 1 job wait there"
        )
        assert "other" not in remark.outline
        assert "reports" not in remark.outline
    assert not [line for line in log if "SCHEDULER_QUEUES" in line]


def test_a_queue_has_a_name(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path):
        for name in ("", "a b", "a,b", 5, "50%"):
            with pytest.raises(ScheduleError, match=r"queue=.* must be a name of letters"):
                AsyncIOScheduler().add_job(print, "interval", seconds=1, queue=name)


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--role", "boss"), "--role 'boss' is none of all, scheduler, worker"),
        (("--queues", "a b/c"), "SCHEDULER_QUEUES: queue='b/c' must be a name of letters"),
    ],
)
def test_a_wrong_role_or_queue_is_a_sentence(
    app: Application, arguments: tuple[str, ...], sentence: str
) -> None:
    done = app.command("run", *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.full
def test_one_scheduler_and_two_workers_run_each_tick_once(app: Application) -> None:
    deploy(
        app,
        'quick, "interval", seconds=1, id="one"',
        'quick_too, "interval", seconds=1, id="two", queue="reports"',
    )
    workers = [start(app, "worker", "default"), start(app, "worker", "reports")]
    scheduler = start(app, "scheduler")
    try:
        assert "(worker, queues reports)" in workers[1].log()
        for number, job in enumerate(("one", "two")):
            entered(app, job, 3)
            assert {mark.pid for mark in marks(app, job)} == {workers[number].popen.pid}
    finally:
        stop(scheduler, *workers)
    ran = [(row["job_id"], row["tick_us"]) for row in app.recorded("succeeded")]
    assert len(ran) == len(set(ran)) == len(marks(app, "one")) + len(marks(app, "two"))


@pytest.mark.full
def test_runs_of_a_killed_worker_begin_again_in_another(app: Application) -> None:
    deploy(app, 'long, "date", id="long"')
    scheduler, first = start(app, "scheduler"), start(app, "worker")
    try:
        entered(app, "long")
        kill(first)
        second = start(app, "worker")
        [_, again] = entered(app, "long", 2)
        assert (again.pid, again.attempt) == (second.popen.pid, 2)
        let(app, "release")
        wait_for(lambda: app.recorded("succeeded"), "its end")
        stop(scheduler, second)
    finally:
        kill(scheduler)
    [row] = app.recorded()
    assert (row["attempt"], row["crashes"]) == (2, 1)


@pytest.mark.full
def test_workers_alone_are_no_start_of_the_schedule(app: Application) -> None:
    deploy(app, 'quick, "date", id="at-start"')
    worker, scheduler = start(app, "worker"), start(app, "scheduler")
    try:
        entered(app, "at-start", 1)
        stop(scheduler)
        # The worker was up all the time: this is a start of the schedule none the less.
        scheduler = start(app, "scheduler")
        entered(app, "at-start", 2)
    finally:
        stop(scheduler, worker)


@pytest.mark.full
def test_a_worker_whose_code_lacks_a_job_leaves_it_to_others_and_says_so(app: Application) -> None:
    deploy(app, 'quick, "interval", seconds=1, id="new"')
    scheduler = start(app, "scheduler")
    deploy(app, 'quick_too, "interval", seconds=1, id="old"')
    behind = start(app, "worker")
    try:
        behind.says("job new")
        assert app.recorded("queued")
        assert not marks(app, "new")
        deploy(app, 'quick, "interval", seconds=1, id="new"')
        current = start(app, "worker")
        assert {mark.pid for mark in entered(app, "new", 2)} == {current.popen.pid}
        stop(current)
    finally:
        stop(scheduler, behind)
    # The schedule in force is the scheduler's: a worker changes nothing of it.
    assert {row["job_id"] for row in app.recorded()} == {"new"}


@pytest.mark.full
def test_what_is_missing_of_the_two_halves_is_told(app: Application) -> None:
    deploy(
        app,
        'quick, "interval", seconds=1, id="one"',
        'quick_too, "interval", seconds=1, id="two", queue="reports"',
    )
    scheduler = start(app, "scheduler")
    try:
        assert app.command("health").returncode == 1
        assert "no worker is up, only 1 scheduler: ticks are claimed" in app.command("health").stdout
        worker = start(app, "worker", "default")
        assert app.command("health").returncode == 0
        told = app.command("doctor")
        assert "no process that is up serves the queue reports: the runs of 1 job wait there" in told.stdout
        assert f"{app.typed} run --role worker --queues reports" in told.stdout
        stop(scheduler)
        assert "no scheduler is up, only 1 worker: " in app.command("health").stdout
        stop(worker)
    finally:
        kill(scheduler)


@pytest.mark.full
async def test_a_worker_takes_the_next_runs_as_soon_as_it_has_room(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_ROLE="scheduler"):
        claiming = many_at_once()
        async with claiming:
            await until(lambda: len(rows(claiming)) == MANY)
    with scheduler_settings(tmp_path, SCHEDULER_ROLE="worker", SCHEDULER_MAX_WORKERS=2):
        working = many_at_once()
        async with working:
            process = working._process
            assert process is not None
            # After its first look it would look again in ten minutes.
            process.writer._pulse_seconds = 600
            await until(lambda: len(rows(working, "succeeded")) == MANY, patience=60)


MANY = 20


def many_at_once() -> AsyncIOScheduler:
    """Return a schedule whose jobs all run once, at its start."""
    scheduler = AsyncIOScheduler()
    for number in range(MANY):
        scheduler.add_job(asyncio.sleep, "date", args=[0.1], id=f"job-{number}")
    return scheduler


@pytest.mark.full
def test_the_start_line_of_a_worker_knows_what_is_paused(app: Application) -> None:
    app.tasks("def task() -> None: ...\n")
    app.schedule(
        'scheduler.add_job(task, "interval", hours=4, id="held")', "from app.services.my_tasks import task\n"
    )
    with app.running():
        assert app.command("pause", "held").returncode == 0
    worker = start(app, "worker")
    try:
        assert "1 job: 1 paused" in worker.log()
    finally:
        stop(worker)


@pytest.mark.full
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--role", "workers"), "--role 'workers' is none of all, scheduler, worker; did you mean 'worker'?"),
        (("--queues", ""), "--queues names no queue: leave the option out to serve all of them"),
    ],
)
def test_options_that_make_no_sense_are_named(app: Application, options: tuple[str, str], said: str) -> None:
    done = app.command("run", *options)
    assert (done.returncode, done.stderr) == (2, f"error: {said}\n")
