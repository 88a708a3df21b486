"""The application: tasks in `services`, their schedule in `components/scheduler/main.py`."""

from everytick import Application, register

application = register(
    Application(
        __file__,
        schedule="app.components.scheduler.main:create_scheduler",
        settings="app.core.config:settings",
        logging="app.core.log:configure_logging",
        routers="app.components.dashboard.routes:routers",
    )
)
