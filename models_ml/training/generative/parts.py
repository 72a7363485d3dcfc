"""Which encoder reads which training spectra, with candidates for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models_ml.networks.glmr import GlmrNetwork
from models_ml.training.arrays import MoleculeArrays, SpectrumArrays
from models_ml.training.batches import spectra_per_compound
from models_ml.training.generative.candidates import retrieve_candidates
from models_ml.training.generative.data import GenerativeData
from models_ml.training.generative.token_reader import TokenReader
from models_ml.training.mass_windows import MassSorted
from models_ml.training.prepared import Library, is_for_generative, library_rows, load_spectra, shown_rows
from models_ml.training.settings import GenerativeSettings
from models_ml.training.states import load_network, load_state
from models_ml.training.vectors import molecule_vectors, pooled_features

VALIDATION_PER_COMPOUND = 2  # most validation spectra of a compound


def training_parts(
    settings: GenerativeSettings, network: GlmrNetwork, library: Library
) -> list[GenerativeData]:
    """Each encoder with the spectra that it reads.

    With `cross_fitted`, each spectrum goes to the encoder that never saw its compound, and spectra of a fold
    that no run held out are left out. Without, all go to this run's own encoder. Of simulated spectra, this
    run's own encoder reads the share that the contrastive stage never saw.
    """
    spectra, compounds = load_spectra(settings.data, "train")
    drawn = spectra_per_compound(spectra, settings.per_compound, np.random.default_rng(settings.seed))
    reader = TokenReader(network, library.molecules, settings.device)
    own = library_rows(library.molecules, compounds)
    parts: list[GenerativeData] = []
    for encoder, hold_out in _encoders(settings, network):
        rows = drawn
        if settings.cross_fitted:
            rows = np.setdiff1d(drawn, shown_rows(settings.data, spectra, hold_out))
        vectors = molecule_vectors(encoder, library.pooled, device=settings.device)
        parts.append(_part(settings, encoder, reader, spectra, compounds, rows, own, vectors))
    if settings.simulated is not None:
        simulated = SpectrumArrays.load(settings.simulated)
        rows = np.flatnonzero(is_for_generative(simulated))
        own = np.arange(len(library.molecules))
        vectors = parts[0].vectors  # by this run's own encoder, which is the first
        parts.append(_part(settings, network, reader, simulated, library.molecules, rows, own, vectors))
    return parts


def validation_part(settings: GenerativeSettings, network: GlmrNetwork, library: Library) -> GenerativeData:
    """Validation spectra, with the library and their own compounds as candidates.

    The library lacks the compounds of the evaluation. In use it mostly holds the molecule of the spectrum.
    """
    spectra, compounds = load_spectra(settings.data, "val")
    rows = spectra_per_compound(spectra, VALIDATION_PER_COMPOUND, np.random.default_rng(settings.seed))
    own_pooled = pooled_features(network, compounds, device=settings.device)
    pooled = np.concatenate([library.pooled, own_pooled])
    vectors = molecule_vectors(network, pooled, device=settings.device)
    reader = TokenReader(network, library.molecules.followed_by(compounds), settings.device)
    own = library_rows(reader.library, compounds)
    return _part(settings, network, reader, spectra, compounds, rows, own, vectors)


def _encoders(settings: GenerativeSettings, network: GlmrNetwork) -> Iterator[tuple[GlmrNetwork, int | None]]:
    """This run's own network and the cross-fitted ones, each with the fold that it held out.

    Raises ValueError if there are several and two held out the same fold, or one held out none.
    """
    folds: set[int] = set()
    for folder in (settings.run, *settings.cross_fitted):
        hold_out = load_state(folder / "contrastive.pt")["settings"].get("hold_out")
        if settings.cross_fitted and (hold_out is None or hold_out in folds):
            raise ValueError(f"{folder} held out the fold {hold_out}; each run must hold out another.")
        folds.add(hold_out)
        yield network if folder == settings.run else _frozen(folder, settings.device), hold_out


def _part(
    settings: GenerativeSettings,
    network: GlmrNetwork,
    reader: TokenReader,
    spectra: SpectrumArrays,
    compounds: MoleculeArrays,
    rows: NDArray[np.int64],
    own: NDArray[np.int64],
    library_vectors: NDArray[np.float32],
) -> GenerativeData:
    """The spectra in `rows`, read by `network`. `own`: library row of each compound."""
    candidate_set = retrieve_candidates(
        network,
        spectra,
        rows,
        own,
        library_vectors,
        MassSorted.of(reader.library.exact_mass),
        settings.n_candidates,
        settings.device,
    )
    return GenerativeData(
        network.spectrum_encoder, spectra, compounds, candidate_set, library_vectors, reader
    )


def _frozen(folder: Path, device: str) -> GlmrNetwork:
    network = load_network(folder / "contrastive.pt").to(device).eval()
    network.requires_grad_(False)
    return network
