"""Words of the page in the reader's language.

English is the source: texts are looked up by what they say in English. A dictionary is one file,
``Resources/Languages/<code>.toml``, of lines ``"English" = "other language"``. An entry may have
places, as in ``"Full points: {wanted}."``; what stands there is looked up in turn. So sentences
that the library has already put together are found as well, and it need not know of languages.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from WristQCLib.resources import RESOURCES

LANGUAGES = RESOURCES / "Languages"
ENGLISH = "en"

_PLACE = re.compile(r"\{(\w+)\}")
_SENTENCE_END = re.compile(r"(?<=[.!?;]) (?=\S)")
_WITHIN_SENTENCE = r"(?:(?![.!?] [A-Z]).)"
_LETTERS = re.compile(r"[A-Za-z]{2}")
_CACHED = 4096
_DEPTH = 4
"""How deep places may lie in places."""


class Language:
    """A dictionary from English.

    Parameters
    ----------
    code
        ``"en"``, ``"zh"``: as in the ``lang`` attribute of a page.
    words
        What things are called; empty for English.
    """

    def __init__(self, code: str, words: Mapping[str, str]) -> None:
        self.code = code
        self.name = words.get("English", "English")
        self._words = {text: said for text, said in words.items() if not _PLACE.search(text)}
        sentences = sorted(
            (text for text in words if _PLACE.search(text)),
            key=lambda text: -len(_PLACE.sub("", text)),
        )
        self._sentences = [(_pattern(text), words[text]) for text in sentences]
        self._said = lru_cache(_CACHED)(self._say)

    @classmethod
    def load(cls, code: str) -> Language:
        """The language of this code.

        Raises
        ------
        ValueError
            If there is no dictionary for it.
        """
        if code == ENGLISH:
            return cls(code, {})
        known = codes()
        if code not in known:
            raise ValueError(f"There is no dictionary for '{code}'; there are {', '.join(known)}.")
        return cls(code, read_dictionary(LANGUAGES / f"{code}.toml"))

    def __call__(self, text: str) -> str:
        """The text in this language; in English where the dictionary has nothing for it."""
        if not self._words or not _LETTERS.search(text):
            return text
        return self._said(text)

    def _say(self, text: str, depth: int = 0) -> str:
        known = self._words.get(text)
        if known is not None or depth > _DEPTH or not _LETTERS.search(text):
            return text if known is None else known
        for pattern, said in self._sentences:
            match = pattern.fullmatch(text)
            if match:
                return said.format(
                    **{k: self._say(v, depth + 1) for k, v in match.groupdict().items()}
                )
        return self._pieces(text, depth + 1)

    def _pieces(self, text: str, depth: int) -> str:
        """Lines, sentences and lists, each part by itself."""
        if "\n" in text:
            return "\n".join(self._say(line, depth) for line in text.split("\n"))
        sentences = _SENTENCE_END.split(text)
        if len(sentences) > 1:
            said = [self._say(sentence, depth) for sentence in sentences]
            return "".join(
                part if part[-1] > "\u2e7f" else f"{part} " for part in said[:-1]
            ) + said[-1]  # fmt: skip
        parts = text.split(", ")
        if len(parts) > 1:
            said = [self._say(part, depth) for part in parts]
            return self._words.get(", ", ", ").join(said)
        return text


def codes() -> tuple[str, ...]:
    """Codes of the languages there are, English first."""
    return (ENGLISH, *sorted(path.stem for path in LANGUAGES.glob("*.toml")))


def read_dictionary(path: Path) -> dict[str, str]:
    """The entries of a dictionary file, which has them in tables for its readers' sake."""
    with path.open("rb") as file:
        tables = tomllib.load(file)
    words: dict[str, str] = {}
    for entries in tables.values():
        words |= entries
    return words


def _pattern(text: str) -> re.Pattern[str]:
    parts = _PLACE.split(text)  # literal, name, literal, name, ..., literal
    return re.compile(
        "".join(
            f"(?P<{part}>{_WITHIN_SENTENCE}+?)" if number % 2 else re.escape(part)
            for number, part in enumerate(parts)
        )
    )
