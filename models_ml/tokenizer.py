"""Splits SMILES into numbered tokens. It does no chemistry: it neither checks nor canonicalises SMILES."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

PAD, BOS, EOS, MASK, UNK = range(5)
SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<mask>", "<unk>")

# A bracket atom is one token: it is one atom, and its content has a separate grammar.
TOKEN_PATTERN = re.compile(r"\[[^\[\]]+\]|Br|Cl|%\d\d|.", re.DOTALL)

# In every vocabulary, whatever the corpus contains: the organic subset, bonds, branches and ring closures.
BASE_TOKENS = (*"BCNOPSFIbcnops()=#-.+/\\:@123456789", "Br", "Cl", *(f"%{n}" for n in range(10, 20)))


def split_smiles(smiles: str) -> list[str]:
    return TOKEN_PATTERN.findall(smiles)


class SmilesTokenizer:
    """A fixed vocabulary. The number of a token is its index in ``tokens``."""

    def __init__(self, tokens: Sequence[str]) -> None:
        if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
            raise ValueError(f"A vocabulary begins with {SPECIAL_TOKENS}, but this one with {tokens[:5]}.")
        self.tokens = tuple(tokens)
        self._numbers = {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.tokens).encode()).hexdigest()

    @classmethod
    def from_corpus(cls, corpus: Iterable[str], *, min_count: int = 5) -> SmilesTokenizer:
        """Special tokens, then base tokens and those in at least `min_count` molecules, sorted."""
        counts: Counter[str] = Counter()
        for smiles in corpus:
            counts.update(set(split_smiles(smiles)))
        frequent = {token for token, count in counts.items() if count >= min_count}
        return cls([*SPECIAL_TOKENS, *sorted(frequent.union(BASE_TOKENS))])

    @classmethod
    def load(cls, path: Path) -> SmilesTokenizer:
        return cls(json.loads(path.read_text(encoding="utf-8"))["tokens"])

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"tokens": self.tokens}, indent=0) + "\n", encoding="utf-8")

    def encode(self, smiles: str, *, max_tokens: int) -> list[int]:
        """BOS, tokens, EOS: at most `max_tokens` numbers. A longer molecule is truncated before EOS."""
        numbers = [self._numbers.get(token, UNK) for token in split_smiles(smiles)]
        return [BOS, *numbers[: max_tokens - 2], EOS]

    def decode(self, numbers: Iterable[int]) -> str:
        """Text up to the first EOS. Other special tokens are written out, which makes the SMILES invalid."""
        text: list[str] = []
        for number in numbers:
            if number == EOS:
                break
            if number != BOS:
                text.append(self.tokens[number])
        return "".join(text)
