"""What every part of the application shares: settings and logs."""
