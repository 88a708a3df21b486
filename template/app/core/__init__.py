"""Shared by every part of the application: settings and logs."""
