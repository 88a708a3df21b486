"""Fixtures that all tests share. The fixture `schedule` is there without a line: it comes with the engine."""
