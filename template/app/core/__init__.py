"""What every part of the application shares: settings, logs, a look into the ledger."""
