"""What would happen: at the next start, after a deploy, over a year. No job runs, no ledger is written."""
