"""`python -m app`: the engine's commands for this application."""

from everytick import cli

from app import application


def main() -> None:
    """Run a command, as the script of the package does."""
    cli.main(application)


if __name__ == "__main__":
    cli.main(application, "python -m app")
