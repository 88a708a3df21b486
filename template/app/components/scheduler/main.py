"""Your schedule: what runs when. The functions are in `app/services/`."""

from everytick import AsyncIOScheduler

from app.services.my_tasks import backup_database, cleanup_temp_files, send_daily_report


def create_scheduler() -> AsyncIOScheduler:
    """Create and configure the scheduler with all jobs."""
    scheduler = AsyncIOScheduler()

    # Add your scheduled tasks here:

    # Daily report at 9 AM
    scheduler.add_job(
        send_daily_report,
        trigger="cron",
        hour=9,
        minute=0,
        id="daily_report",
        name="Daily Report Generation",
    )

    # Clean temp files every 4 hours
    scheduler.add_job(
        cleanup_temp_files,
        trigger="interval",
        hours=4,
        id="temp_cleanup",
        name="Temporary Files Cleanup",
    )

    # Weekly database backup on Sundays at 4 AM: clocks are changed before that hour
    scheduler.add_job(
        backup_database,
        trigger="cron",
        day_of_week="sun",
        hour=4,
        minute=0,
        id="weekly_backup",
        name="Weekly Database Backup",
    )

    return scheduler
