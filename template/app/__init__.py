"""The application: tasks in `services`, their schedule in `components/scheduler/main.py`."""
