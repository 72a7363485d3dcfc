"""Refuses the words of banned_words.txt anywhere in the tree: `python -m tools.words [FILE ...]`.

A line that must hold such a word, because a stored key has that name, ends with the comment `stored name`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BANNED_WORDS = Path(__file__).with_name("banned_words.txt")

# What nobody writes by hand, or what must not change: locks, stored data, licences, migrations.
EXCLUDED = re.compile(
    r"""
      ^LICENSE$
    | ^requirements/.*\.lock$
    | ^annotation/migrations/
    | ^models_ml/checkpoints/(?!.*\.md$)
    | ^models_ml/.*/data/
    | ^tests/pins/ranks\.json$
    | ^tools/banned_words\.txt$
    | \.(?:csv|gz|npz|png|svg|safetensors)$
    """,
    re.VERBOSE,
)
# A comment in Python, YAML or shell; in JavaScript or CSS; in HTML and Markdown; in Django's templates.
STORED_NAME = re.compile(r"(?:\#|//|/\*|<!--|\{\#)\s*stored name\b")
# What may stand between the words of a phrase: also a line break within a comment or between Python strings.
GAP = r"""[\s_"'`\#*\\]+"""
CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    file: str
    line: int  # from 1; 0 is the file's name
    phrase: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.phrase}"


def read_phrases(path: Path = BANNED_WORDS) -> list[str]:
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    """Whole words, where an underscore and a capital inside a name also end a word."""
    longest_first = sorted(phrases, key=len, reverse=True)
    choices = "|".join(GAP.join(map(re.escape, phrase.split())) for phrase in longest_first)
    return re.compile(rf"(?<![A-Za-z])(?:{choices})(?![A-Za-z])", re.IGNORECASE)


def find(text: str, banned: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Line number and phrase of each banned phrase in the text."""
    split = CAMEL_CASE.sub("_", text)  # adds characters but no lines
    lines = split.splitlines()
    for match in banned.finditer(split):
        number = split.count("\n", 0, match.start()) + 1
        last = split.count("\n", 0, match.end()) + 1
        if not any(STORED_NAME.search(line) for line in lines[number - 1 : last]):
            yield number, re.sub(GAP, " ", match[0]).lower()


def check(files: Iterable[str], banned: re.Pattern[str], root: Path = ROOT) -> list[Finding]:
    """Findings in these files and their names, in order. Files that hold no text are passed over."""
    findings = []
    for file in files:
        path = root / file
        if EXCLUDED.search(file) or not path.is_file():
            continue
        findings += [Finding(file, 0, phrase) for _, phrase in find(file, banned)]
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        findings += [Finding(file, line, phrase) for line, phrase in find(text, banned)]
    return sorted(findings)


def files_of_the_project() -> list[str]:
    """What git keeps or would keep, as paths from the root."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({file for file in listing.stdout.split("\0") if file})


def main(arguments: Sequence[str]) -> int:
    files = [str(Path(file).resolve().relative_to(ROOT)) for file in arguments] or files_of_the_project()
    findings = check(files, pattern(read_phrases()))
    for finding in findings:
        print(finding)
    if findings:
        print(
            f"\n{len(findings)} banned words or phrases. Use plain words instead: see 'Language' in "
            "CONTRIBUTING.md. The list is tools/banned_words.txt.",
            file=sys.stderr,
        )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
