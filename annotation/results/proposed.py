"""Molecules that the language model proposes beyond the library; shown and exported, never ranked."""

from __future__ import annotations

from collections.abc import Collection

from annotation.results.models import GeneratedMolecule


def proposed_smiles(annotation_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """By annotation, likeliest first, each molecule once. One query."""
    found = GeneratedMolecule.objects.filter(annotation_id__in=annotation_ids, is_proposed=True)
    once: dict[int, dict[str, str]] = {}
    rows = found.order_by("annotation_id", "beam_rank")
    for pk, key, smiles in rows.values_list("annotation_id", "inchikey_first_block", "smiles"):
        once.setdefault(pk, {}).setdefault(key, smiles)
    return {pk: tuple(molecules.values()) for pk, molecules in once.items()}
