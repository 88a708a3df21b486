"""What user code touches: `AsyncIOScheduler`, `add_job`, `SchedulerClient`."""
