"""Three tasks to begin with: small, real, and yours to replace.

A task is a plain function, `async` or not. It knows nothing of the scheduler; when it runs is said in
`app/components/scheduler/main.py`.
"""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path

from everytick import LedgerReader

from app.core.log import logger

# Reads what the schedule records; it opens nothing before it is asked.
ledger = LedgerReader()

# Kept below the ledger's folder, which is the app's own and never committed.
TEMP_FOLDER = ledger.folder / "tmp"
BACKUP_FOLDER = ledger.folder / "backups"
KEEP_TEMP_FILES = timedelta(days=1)
KEEP_BACKUPS = 5


async def send_daily_report() -> None:
    """Count what ran since yesterday."""
    logger.info("📊 Generating daily report")
    counts = await asyncio.to_thread(ledger.outcome_counts, timedelta(days=1))
    summary = ", ".join(f"{number} {state}" for state, number in counts.items()) or "no runs yet"
    logger.info("✅ Daily report: {}", summary)


async def cleanup_temp_files() -> None:
    """Remove files of the app's temporary folder that were not touched for a day."""
    logger.info("🗑️ Cleaning temporary files")
    removed = await asyncio.to_thread(remove_old_files, TEMP_FOLDER, KEEP_TEMP_FILES)
    logger.info("Removed {} file(s) from {}", removed, TEMP_FOLDER)


async def backup_database() -> None:
    """Copy the ledger while it is in use, and keep the newest copies."""
    if not ledger.is_file:
        logger.warning("No backup was made: the ledger is on a server, where pg_dump copies it")
        return
    logger.info("💾 Starting database backup")
    target = BACKUP_FOLDER / f"ledger-{datetime.now():%Y%m%d-%H%M%S}.db"
    await asyncio.to_thread(ledger.backup, target)
    for old in sorted(BACKUP_FOLDER.glob("ledger-*.db"))[:-KEEP_BACKUPS]:
        old.unlink()
    logger.info("Saved {} ({:,} bytes)", target, target.stat().st_size)


def remove_old_files(folder: Path, keep: timedelta) -> int:
    """Remove files below `folder` older than `keep`; return how many. The folder is made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    oldest = time.time() - keep.total_seconds()
    old = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mtime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
