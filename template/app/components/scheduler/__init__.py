"""The schedule (`main.py`, yours) and the machinery that keeps it (`runtime`)."""
