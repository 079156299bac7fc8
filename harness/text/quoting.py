"""How an override is typed, so that the shell and Hydra's grammar read its value as the text that it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: What Hydra's grammar reads as the text that it is.
_PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_HYDRA_WORDS = ("true", "false", "null", "nan", "inf")

#: What every shell does.
_PLAIN_ARGUMENT = re.compile(r"[\w.=,\[\]-]*", re.ASCII)


def override(key: str, values: Sequence[str], *, is_list: bool = False) -> str:
    """Return ``KEY=VALUE,...`` as it is typed in a shell; with `is_list`, ``KEY=[VALUE,...]``, which is one value."""
    text = ",".join(map(hydra, values))
    return shell(f"{key}=[{text}]" if is_list else f"{key}={text}")


def literal(value: str) -> str:
    """Return a text as OmegaConf reads it as this text, in which ``${`` would begin a reference to another value."""
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", value)


def hydra(value: str) -> str:
    """Return a value as Hydra's grammar and OmegaConf read it as this text."""
    value = literal(value)
    if _PLAIN_WORD.fullmatch(value) and value.casefold() not in _HYDRA_WORDS:
        return value
    # Backslashes count only before a quote: https://hydra.cc/docs/advanced/override_grammar/basic/#quoted-values
    return '"' + re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + ("\\" + found[2] if found[2] else ""), value) + '"'


def shell(argument: str) -> str:
    """Return an argument as a shell reads it."""
    return argument if _PLAIN_ARGUMENT.fullmatch(argument) else "'" + argument.replace("'", "'\\''") + "'"
