"""Your tasks: plain functions that know nothing of the scheduler."""
