"""Your own pages beside the dashboard's: `routes.py`."""
