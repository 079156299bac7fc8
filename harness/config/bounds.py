"""What a field of the schema takes beyond its type: declared where the field is, and read by :mod:`.domains`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

_KEY = "domain"

#: Seconds that anything may take: what poll() can wait is 24 days.
TWO_WEEKS = 14 * 24 * 3600

#: One above the largest seed that every framework takes.
SEEDS = 2**32

#: Rows of a batch, of a split, and tokens of a row: above what any host has memory for.
MOST_BATCH, MOST_ROWS, MOST_TOKENS = 2**16, 10**9, 2**20


@dataclass(frozen=True)
class Domain:
    """Which values a field may have. Of a tuple, each item is meant; None is allowed where the type allows it.

    Parameters
    ----------
    low, high : the lowest and the highest number, both allowed.
    words : the only words.
    pattern : a regular expression that the whole text must match, and `form`, what it asks for in words.
    group : the config group whose options are the only words.
    fewest : items of a tuple at least.
    is_path : a file or folder, whose name may hold a comma.
    """

    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()
    pattern: str | None = None
    form: str = ""
    group: str | None = None
    fewest: int = 0
    is_path: bool = False


def domain_of(field: dataclasses.Field[Any]) -> Domain:
    """Return what a field of the schema declares; an empty domain where it declares nothing."""
    domain: Domain = field.metadata.get(_KEY, Domain())
    return domain


def within(low: float, high: float, default: Any, *, fewest: int = 0) -> Any:
    """Declare a field of numbers from `low` to `high`."""
    return _declared(Domain(low=low, high=high, fewest=fewest), default)


def random_seed(default: int = 0) -> Any:
    """Declare a field that seeds random numbers."""
    return within(0, SEEDS - 1, default)


def one_of(words: tuple[str, ...], default: Any) -> Any:
    """Declare a field of words that are all listed here."""
    return _declared(Domain(words=words), default)


def option_of(group: str, default: Any) -> Any:
    """Declare a field that names an option of a config group."""
    return _declared(Domain(group=group), default)


def file_name(default: Any = None) -> Any:
    """Declare a field that names a file or folder."""
    return _declared(Domain(is_path=True), default)


def listed(fewest: int, default: Any) -> Any:
    """Declare a tuple that has `fewest` items at least."""
    return _declared(Domain(fewest=fewest), default)


def option_name(default: Any) -> Any:
    """Declare a field that names an option, a part of labels and of file names."""
    return _declared(Domain(pattern=r"\w[\w.+-]{0,99}", form="letters, digits and _ . + -, 100 at most"), default)


def matching(pattern: str, form: str, default: Any) -> Any:
    """Declare a text that a regular expression describes; `form` says the same in words."""
    return _declared(Domain(pattern=pattern, form=form), default)


def name_of(what: str, default: Any) -> Any:
    """Declare a text that is not empty or blank: the name of `what`, such as "a column"."""
    return matching(r"(?s)\s*\S.*", f"the name of {what}", default)


def _declared(domain: Domain, default: Any) -> Any:
    return dataclasses.field(default=default, metadata={_KEY: domain})
