"""Which code made a result: the release, and the commit if it is known."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from glmr_server import __version__

_ROOT = Path(__file__).resolve().parent.parent


def code_version() -> str:
    """GLMR_CODE_VERSION if an image sets it; otherwise the release, with the commit in a git checkout.

    "0.1.0+3f2c1ab.changed" means that tracked files differ from that commit.
    """
    if given := os.environ.get("GLMR_CODE_VERSION"):
        return given[:60]
    # Without a .git folder here, git would describe an enclosing checkout of another project.
    if not (_ROOT / ".git").exists():
        return __version__
    commit = _git("rev-parse", "--short=12", "HEAD")
    if not commit:
        return __version__
    changed = ".changed" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return f"{__version__}+{commit}{changed}"


def _git(*arguments: str) -> str:
    """The output of git. Empty if git is not installed or refuses the owner of the checkout."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
