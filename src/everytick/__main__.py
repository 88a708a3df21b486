"""`everytick` and `python -m everytick`: all commands, for the application that `--app` names."""

from __future__ import annotations

from everytick import cli


def main() -> None:
    """Run a command, as the script of the package does."""
    cli.main(program="everytick")


if __name__ == "__main__":
    cli.main(program="python -m everytick")
