"""What all tests share: the fixture `schedule`, which answers for your schedule without running it."""

pytest_plugins = ["everytick.testing"]
