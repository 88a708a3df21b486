"""What would happen: at the next start, after a deploy, over a year. Nothing runs, and no ledger is written."""
