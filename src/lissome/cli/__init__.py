"""The command line: one command a file. Nothing heavy is loaded before a command runs."""

import sys


def main() -> None:
    """Run the command line; every error of ours is one line and exit code 2."""
    from lissome.cli.app import app
    from lissome.core.errors import LissomeError

    try:
        app(prog_name="lissome")
    except LissomeError as error:
        sys.exit(_refuse(str(error)))
    except OSError as error:
        sys.exit(_refuse(f"{error.filename or 'system'}: {error.strerror or error}"))
    except KeyboardInterrupt:
        _refuse("interrupted; finished steps are kept, go on with --resume")
        sys.exit(130)


def _refuse(message: str) -> int:
    sys.stderr.write(f"lissome: {' '.join(message.split())}\n")
    return 2
