#!/usr/bin/env python
"""Django's command line for this project; says how to start the database where none answers."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "glmr_server.settings")
    from django.core.management import execute_from_command_line
    from django.db.utils import OperationalError

    from glmr_server.environment import BadSetting

    try:
        execute_from_command_line(sys.argv)
    except BadSetting as problem:
        sys.exit(f"Error: {problem}")
    except OperationalError as problem:
        if "connect" not in str(problem):
            raise
        sys.exit(
            f"Error: the database does not answer. {str(problem).strip()}\n"
            "Start it with `make run` in another terminal, or point GLMR_DATABASE_URL to a PostgreSQL."
        )


if __name__ == "__main__":
    main()
