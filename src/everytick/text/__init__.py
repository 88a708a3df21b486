"""Schedules, instants and lengths of time in words. Pure."""
