"""Makes the files of the demonstration from public data: `python -m tools.demonstration --data FOLDER`.

FOLDER holds `massbank/test.mgf.gz`, spectra of molecules in no training file, and `library/` with LIBRARIES.
The choice depends on licence, adduct, contributor and mass, never on what the model answers. The same data
give the same files. Authors are no field of the data: add them to attribution.csv from the public records.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from models_ml.demonstration import files
from models_ml.demonstration.files import Attribution, read_attribution
from models_ml.evaluate.groups import contributor
from models_ml.molecules.formula import exact_mass
from models_ml.molecules.readers.smiles_file import split_smiles_line
from models_ml.molecules.standardise import identify, standardise
from models_ml.outcomes import AnnotateParams
from models_ml.spectra.formats import SpectrumIssue, read_spectra
from models_ml.spectra.mgf_writer import write_mgf
from models_ml.spectra.precursor_window import PrecursorWindow, mass_window
from models_ml.spectra.spectrum import Spectrum

LICENCES = ("CC0", "CC BY")
# Contributors whose records state a tentative or predicted structure, and one that publishes profiles.
LEFT_OUT_CONTRIBUTORS = ("Eawag_Additional_Specs", "IPB_Halle", "Literature_Specs", "RIKEN_NPDepo", "UoB")
LEFT_OUT_COMPOUNDS = ("HQAOXGNSQGPTGQ",)  # tentative: isomers are possible
# Features of each adduct, the rarest first. Rare adducts are all that the licences leave.
QUOTAS = {
    "[M-H2O+H]+": 1,
    "[M+NH4]+": 1,
    "[M]+": 3,
    "[M+Na]+": 5,
    "[M-H]-": 17,
    "[M+H]+": 33,
}
MAX_MEMBERS = 3
MIN_PEAKS, MAX_PEAKS = 5, 300
LEFT_OUT_EVERY = 12  # of each 12 features, the molecule of one is not in the library
LIBRARIES = ("candidates.smi.gz", "dense-extra.smi.gz")
N_STRUCTURES = 20_000
DATA = Path(__file__).resolve().parent.parent / "models_ml" / "demonstration" / "data"


@dataclass(frozen=True, slots=True, eq=False)
class Ion:
    """The spectra of one ion of one molecule from one contributor."""

    spectra: tuple[Spectrum, ...]
    window: PrecursorWindow

    @property
    def accession(self) -> str:
        return self.spectra[0].title

    @property
    def compound(self) -> str:
        return self.spectra[0].inchikey.split("-")[0]

    @property
    def contributor(self) -> str:
        return contributor(self.accession)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.demonstration", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with massbank/ and library/")
    options = parser.parse_args(arguments)
    ions = choose_ions(read_ions(options.data / "massbank" / "test.mgf.gz"))
    attribution = read_attribution()
    missing = [ion.accession for ion in ions if ion.accession not in attribution]
    if missing:
        raise SystemExit(
            f"{files.ATTRIBUTION} has no authors for these records. Add them from https://massbank.eu:\n"
            + "\n".join(missing)
        )
    left_out = {ion.compound for ion in ions[LEFT_OUT_EVERY // 2 :: LEFT_OUT_EVERY]}
    library = choose_structures([options.data / "library" / name for name in LIBRARIES], ions, left_out)
    write_gzip(DATA / "massbank-spectra.mgf.gz", _mgf(ions, attribution))
    write_gzip(DATA / "structures.smi.gz", "".join(f"{row}\n" for row in library))
    (DATA / "answers.csv").write_text(_answers(ions, left_out), encoding="utf-8", newline="")
    n_spectra = sum(len(ion.spectra) for ion in ions)
    print(f"{len(ions)} features with {n_spectra} spectra, {len(library):,} structures")


def read_ions(path: Path) -> list[Ion]:
    """All ions whose spectra have a licence of LICENCES, enough peaks, and one instrument."""
    by_ion: dict[tuple[str, str, str], list[Spectrum]] = {}
    for item in read_spectra(path):
        if not isinstance(item, SpectrumIssue) and _is_suitable(item):
            key = (item.inchikey.split("-")[0], item.adduct or "", contributor(item.title))
            by_ion.setdefault(key, []).append(item)
    ions = (_ion(spectra) for spectra in by_ion.values())
    return [ion for ion in ions if ion is not None]


def _is_suitable(spectrum: Spectrum) -> bool:
    compound = spectrum.inchikey.split("-")[0]
    return (
        spectrum.license in LICENCES
        and MIN_PEAKS <= spectrum.n_peaks <= MAX_PEAKS
        and compound not in ("", *LEFT_OUT_COMPOUNDS)
        and contributor(spectrum.title) not in LEFT_OUT_CONTRIBUTORS
    )


def _ion(spectra: Sequence[Spectrum]) -> Ion | None:
    """With up to MAX_MEMBERS spectra of different energies, evenly over the series of the record."""
    instrument = Counter(spectrum.instrument for spectrum in spectra).most_common(1)[0][0]
    by_energy: dict[str, Spectrum] = {}
    for spectrum in sorted(spectra, key=lambda spectrum: spectrum.title):
        if spectrum.instrument == instrument:
            by_energy.setdefault(spectrum.collision_energy, spectrum)
    series = list(by_energy.values())
    indices = np.linspace(0, len(series) - 1, min(len(series), MAX_MEMBERS)).round().astype(int)
    members = tuple(series[index] for index in indices.tolist())
    window = mass_window(members[0], AnnotateParams())
    return Ion(members, window) if isinstance(window, PrecursorWindow) else None


def choose_ions(ions: Sequence[Ion]) -> list[Ion]:
    """Each molecule once, by ascending precursor m/z.

    Contributors take turns, and each turn takes the mass that is farthest from those chosen.
    """
    chosen: list[Ion] = []
    compounds: set[str] = set()
    for adduct, quota in QUOTAS.items():
        of_adduct = [ion for ion in ions if ion.window.adduct == adduct]
        counts = Counter(ion.contributor for ion in of_adduct)
        turns = sorted(counts, key=lambda name: (counts[name], name))
        n_wanted = len(chosen) + quota
        while len(chosen) < n_wanted and turns:
            name = turns.pop(0)
            left = [ion for ion in of_adduct if ion.contributor == name and ion.compound not in compounds]
            if not left:
                continue
            best = min(left, key=lambda ion: (-_distance(ion, chosen), ion.accession))
            chosen.append(best)
            compounds.add(best.compound)
            turns.append(name)
    return sorted(chosen, key=lambda ion: (ion.window.precursor_mz, ion.accession))


def _distance(ion: Ion, chosen: Iterable[Ion]) -> float:
    """To the nearest chosen mass, on a logarithmic scale."""
    mass = ion.window.neutral_mass
    return min((abs(math.log(mass / other.window.neutral_mass)) for other in chosen), default=0.0)


def choose_structures(paths: Sequence[Path], ions: Sequence[Ion], left_out: set[str]) -> list[str]:
    """Lines of SMILES and ID, by mass: all molecules in the windows, then the nearest around them.

    Each molecule once, in the standard form. Without the names and IDs of the sources, which would be hints:
    no measured molecule comes from the second file, and measured molecules have names more often than others.
    """
    rows = [split_smiles_line(line)[0] for path in paths for line in _lines(path)]
    masses = _masses(rows)
    centres = np.array(sorted(_centres(ions)))
    nearest = np.abs(masses[:, None] - centres[None, :]).min(axis=1)
    seen = set(left_out)
    kept: list[tuple[float, str]] = []
    for index in np.argsort(nearest, kind="stable").tolist():
        molecule = identify(rows[index])
        if molecule is None or molecule.inchikey_first_block in seen:
            continue
        seen.add(molecule.inchikey_first_block)
        kept.append((molecule.exact_mass, molecule.smiles))
        if len(kept) == N_STRUCTURES:
            break
    return [f"{smiles}\tDS{number:05d}" for number, (_, smiles) in enumerate(sorted(kept), 1)]


def _masses(structures: Iterable[str]) -> NDArray[np.float64]:
    """In Da, (n,)."""
    return np.array([exact_mass(Chem.MolFromSmiles(smiles)) for smiles in structures])


def _centres(ions: Sequence[Ion]) -> Iterator[float]:
    for ion in ions:
        yield ion.window.neutral_mass
        if ion.window.zwitterion_mass is not None:
            yield ion.window.zwitterion_mass


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        yield from stream


def label(position: int) -> str:
    return f"D{position + 1:02d}"


def _mgf(ions: Sequence[Ion], attribution: dict[str, Attribution]) -> str:
    """The structure is left out, because annotation is to find it."""
    stream = io.StringIO()
    for position, ion in enumerate(ions):
        source = attribution[ion.accession]
        for spectrum in ion.spectra:
            anonymous = replace(spectrum, smiles="", inchikey="", formula="", external_id="", metadata={})
            further = {
                "FEATURE_ID": label(position),
                "AUTHORS": source.authors,
                "COPYRIGHT": source.copyright,
                "PUBLICATION": source.publication,
            }
            write_mgf([anonymous], stream, further)
    return stream.getvalue()


def _answers(ions: Sequence[Ion], left_out: set[str]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["feature", "accessions", "name", "smiles", "inchikey_first_block", "is_in_library"])
    for position, ion in enumerate(ions):
        molecule = standardise(ion.spectra[0].smiles)
        accessions = " ".join(spectrum.title for spectrum in ion.spectra)
        name = ion.spectra[0].metadata.get("NAME", "")
        in_library = "no" if ion.compound in left_out else "yes"
        writer.writerow(
            [label(position), accessions, name, molecule.smiles, molecule.inchikey_first_block, in_library]
        )
    return stream.getvalue()


def write_gzip(path: Path, text: str) -> None:
    """Without the time, so that equal text gives equal bytes."""
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
