"""The application: tasks in `services`, their schedule in `components/scheduler/main.py`."""

try:
    from everytick import Application, register
except ImportError as problem:
    if not (problem.name or "").startswith("everytick"):
        raise
    # After a `copier update` by itself, for instance.
    message = "error: the engine that pyproject.toml names is not installed here: run `make install`"
    raise SystemExit(message) from None

application = register(
    Application(
        __file__,
        schedule="app.components.scheduler.main:create_scheduler",
        settings="app.core.config:settings",
        logging="app.core.log:configure_logging",
        routers="app.components.dashboard.routes:routers",
    )
)
