"""`python -m app`."""

import sys

try:
    from app.cli import main
except KeyboardInterrupt:
    # Ctrl+C in the moment of the start.
    print("interrupted", file=sys.stderr)
    sys.exit(130)

if __name__ == "__main__":
    main("python -m app")
