"""Which code made a result: the release, and the commit where that is known."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from glmr_server import __version__

_ROOT = Path(__file__).resolve().parent.parent


def code_version() -> str:
    """GLMR_CODE_VERSION, if an image sets it; else the release, in a git checkout with its commit.

    "0.1.0+3f2c1ab.changed" says that tracked files differ from that commit.
    """
    if given := os.environ.get("GLMR_CODE_VERSION"):
        return given[:60]
    # Without the .git of our own, git would answer for whatever checkout lies around us.
    if not (_ROOT / ".git").exists():
        return __version__
    commit = _git("rev-parse", "--short=12", "HEAD")
    if not commit:
        return __version__
    changed = ".changed" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return f"{__version__}+{commit}{changed}"


def _git(*arguments: str) -> str:
    """What git says; empty where there is no git, or it refuses the checkout's owner."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
