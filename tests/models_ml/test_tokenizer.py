"""SMILES to tokens and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_ml.tokenizer import BOS, EOS, UNK, SmilesTokenizer, split_smiles
from tests.tiny_checkpoint import MOLECULES


@pytest.fixture(scope="module")
def tokenizer() -> SmilesTokenizer:
    return SmilesTokenizer.from_corpus(MOLECULES, min_count=1)


def test_bracket_atoms_and_two_letter_elements_are_single_tokens() -> None:
    assert split_smiles("ClC[nH]%12Br[O-]") == ["Cl", "C", "[nH]", "%12", "Br", "[O-]"]


@pytest.mark.parametrize("smiles", MOLECULES)
def test_decoding_restores_the_smiles(tokenizer: SmilesTokenizer, smiles: str) -> None:
    numbers = tokenizer.encode(smiles, max_tokens=64)
    assert numbers[0] == BOS
    assert numbers[-1] == EOS
    assert tokenizer.decode(numbers) == smiles


@given(st.text(max_size=40))
def test_any_text_can_be_encoded(text: str) -> None:
    tokenizer = SmilesTokenizer.from_corpus(MOLECULES)
    numbers = tokenizer.encode(text, max_tokens=16)
    assert len(numbers) <= 16
    assert max(numbers) < len(tokenizer)


def test_unknown_tokens_are_visible_in_decoded_text(tokenizer: SmilesTokenizer) -> None:
    numbers = tokenizer.encode("C[Zr]", max_tokens=16)
    assert numbers[2] == UNK
    assert tokenizer.decode(numbers) == "C<unk>"


def test_long_molecules_are_truncated_before_eos(tokenizer: SmilesTokenizer) -> None:
    numbers = tokenizer.encode("C" * 100, max_tokens=10)
    assert len(numbers) == 10
    assert numbers[-1] == EOS


def test_a_saved_vocabulary_loads_unchanged(tokenizer: SmilesTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = SmilesTokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.tokens == tokenizer.tokens
    assert loaded.sha256 == tokenizer.sha256


def test_a_vocabulary_without_special_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with"):
        SmilesTokenizer(["C", "N"])
