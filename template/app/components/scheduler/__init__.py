"""The schedule: `main.py`."""
