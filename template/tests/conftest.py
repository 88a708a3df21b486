"""What all tests share: the fixture `schedule`, which answers for your schedule without running it."""

pytest_plugins = ["app.components.scheduler.runtime.testing"]
