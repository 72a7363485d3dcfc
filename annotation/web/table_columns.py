"""Which columns the table of features shows, and how tall its rows are: each person's choice, in a cookie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

COOKIE = "glmr_table"
COOKIE_AGE_S = 365 * 24 * 3600
DENSITIES = (("comfortable", "Comfortable"), ("compact", "Compact"))
# The number, the feature and its state are always shown. Key, label, and whether it is shown by default.
COLUMNS = (
    ("precursor", "Precursor m/z", True),
    ("time", "Retention time", True),
    ("purity", "Purity", True),
    ("drawing", "Drawing of rank 1", True),
    ("name", "Name and formula of rank 1", True),
    ("right", "Probability", True),
    ("margin", "Margin", True),
    ("reference", "Reference match", True),
    ("similarity", "Generated similarity", False),
    ("embedding", "Spectrum similarity", False),
)
DEFAULT_COLUMNS = tuple(key for key, _, is_default in COLUMNS if is_default)
_KEYS = tuple(key for key, _, _ in COLUMNS)


@dataclass(frozen=True, slots=True)
class TableLayout:
    columns: tuple[str, ...] = DEFAULT_COLUMNS  # in the order of `COLUMNS`
    density: str = DENSITIES[0][0]

    @property
    def n_result_columns(self) -> int:
        """Columns of rank 1, which a row without one fills with the reason."""
        return sum(key not in ("precursor", "time", "purity") for key in self.columns)

    @property
    def cookie(self) -> str:
        return ".".join((self.density, *self.columns))

    @property
    def choices(self) -> list[tuple[str, str, bool]]:
        """Key, label and whether the column is shown."""
        return [(key, label, key in self.columns) for key, label, _ in COLUMNS]


def make_layout(columns: Iterable[str], density: str) -> TableLayout:
    """Unknown names are left out."""
    chosen = set(columns)
    known = density if density in dict(DENSITIES) else DENSITIES[0][0]
    return TableLayout(tuple(key for key in _KEYS if key in chosen), known)


def read_layout(cookies: Mapping[str, str]) -> TableLayout:
    """The layout of the cookie; the default without one."""
    text = cookies.get(COOKIE, "")
    if not text:
        return TableLayout()
    density, *columns = text.split(".")
    return make_layout(columns, density)
