"""The small checkpoint that tests of models, workers and flows share, and its training molecules."""

from __future__ import annotations

from pathlib import Path

# Well-known molecules with isomers among them, so that mass windows hold several.
MOLECULES = (
    "CC(=O)Nc1ccc(O)cc1",  # paracetamol
    "CC(=O)Oc1ccccc1C(=O)O",  # aspirin
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C",  # caffeine
    "Cn1c(=O)c2[nH]cnc2n(C)c1=O",  # theophylline
    "Cn1cnc2c1c(=O)[nH]c(=O)n2C",  # theobromine, its isomer
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",  # ibuprofen
    "CN1CCCC1c1cccnc1",  # nicotine
    "NCCc1ccc(O)c(O)c1",  # dopamine
    "NCCc1c[nH]c2ccc(O)cc12",  # serotonin
    "CC(N)Cc1ccccc1",  # amphetamine
    "CNC(C)C(O)c1ccccc1",  # ephedrine
    "NC(Cc1ccccc1)C(=O)O",  # phenylalanine
    "NC(Cc1ccc(O)cc1)C(=O)O",  # tyrosine
    "NC(Cc1c[nH]c2ccccc12)C(=O)O",  # tryptophan
    "OC(=O)C=Cc1ccccc1",  # cinnamic acid
    "OC(=O)C=Cc1ccc(O)cc1",  # coumaric acid
    "COc1cc(C=CC(=O)O)ccc1O",  # ferulic acid
    "O=c1ccc2ccccc2o1",  # coumarin
    "COc1cc(C=O)ccc1O",  # vanillin
    "O=C(O)c1ccccc1O",  # salicylic acid
    "CCN(CC)CC(=O)Nc1c(C)cccc1C",  # lidocaine
    "CCN(CC)CCNC(=O)c1ccc(N)cc1",  # procainamide
    "CC(C)NCC(O)COc1cccc2ccccc12",  # propranolol
    "CN(C)CCc1c[nH]c2ccccc12",  # dimethyltryptamine
)


def build(folder: Path, *, work: Path, blind: bool = False) -> Path:
    """Train and pack the checkpoint. Takes a few seconds and needs torch."""
    from models_ml.training.tiny import make_tiny_checkpoint

    make_tiny_checkpoint(folder, MOLECULES, work=work, blind=blind)
    return folder
