"""Functions that store a record with everything that it needs. A test overrides what it is about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone

from annotation.models import (
    Annotation,
    Candidate,
    Feature,
    FeatureMember,
    GeneratedMolecule,
    Job,
    JobItem,
    Library,
    LibraryEmbedding,
    LibraryEntry,
    LibraryVersion,
    Membership,
    ModelVersion,
    Molecule,
    MoleculeEmbedding,
    Project,
    ReferenceCollection,
    ReferenceSpectrum,
    ReferenceVersion,
    Role,
    Spectrum,
    Upload,
    VersionImport,
)
from models_ml.molecules.standardise import standardise

# Names must differ between the records of a test.
_number = count(1)

PASSWORD = "correct horse"
EMBEDDING_DIM = 8
# Isomers C9H8O4 among others, so that a precursor window holds more than one of them.
SMILES = (
    "CC(=O)Oc1ccccc1C(=O)O",  # aspirin
    "O=C(O)C=Cc1ccc(O)c(O)c1",  # caffeic acid
    "CC(=O)c1ccc(C(=O)O)cc1O",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",  # caffeine
    "CC(C)Cc1ccc(C(C)C(=O)O)cc1",  # ibuprofen
)


def make_user(username: str = "", password: str = PASSWORD, **overrides: Any) -> User:
    name = username or f"user{next(_number)}"
    return User.objects.create_user(name, f"{name}@example.org", password, **overrides)


def make_project(user: User | None = None, role: Role = Role.MANAGER, **overrides: Any) -> Project:
    """A project, in which the user, if given, has the role."""
    n = next(_number)
    project = Project.objects.create(**({"name": f"Project {n}", "slug": f"project-{n}"} | overrides))
    if user is not None:
        Membership.objects.create(project=project, user=user, role=role)
    return project


def make_upload(project: Project | None = None, user: User | None = None, **overrides: Any) -> Upload:
    user = user or make_user()
    content = f"upload {next(_number)}".encode()
    fields: dict[str, Any] = {
        "project": project or make_project(user),
        "uploaded_by": user,
        "file_name": "batch.mgf",
        "file": ContentFile(content, name="batch.mgf"),
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "format": "mgf",
        "state": Upload.State.READY,
    }
    return Upload.objects.create(**(fields | overrides))


def make_spectrum(
    upload: Upload | None = None,
    mz: Sequence[float] = (65.0386, 121.0284, 139.0390, 163.0390),
    intensity: Sequence[float] = (12.0, 100.0, 40.0, 7.5),
    *,
    grouped: bool = False,
    **overrides: Any,
) -> Spectrum:
    """Protonated aspirin by default. A feature by itself, unless `grouped` leaves that to `make_feature`."""
    upload = upload or make_upload()
    n = next(_number)
    fields: dict[str, Any] = {
        "upload": upload,
        "project": upload.project,
        "source_index": n,
        "title": f"scan {n}",
        "precursor_mz": 181.0495,
        "charge": 1,
        "adduct": "[M+H]+",
        "ion_mode": "positive",
        "ms_level": 2,
        "n_peaks": len(mz),
        "mz_bytes": np.asarray(mz, dtype="<f8").tobytes(),
        "intensity_bytes": np.asarray(intensity, dtype="<f8").tobytes(),
        "splash": f"splash10-test-{n:010d}",
    }
    spectrum = Spectrum.objects.create(**(fields | overrides))
    if not grouped:
        make_feature([spectrum])
    return spectrum


def make_feature(
    members: Sequence[Spectrum] = (), outliers: Sequence[Spectrum] = (), **overrides: Any
) -> Feature:
    """A feature of these spectra, or of two new ones. The first one is the representative."""
    if not members:
        upload = make_upload()
        members = [make_spectrum(upload, grouped=True) for _ in range(2)]
    first, everything = members[0], [*members, *outliers]
    fields: dict[str, Any] = {
        "upload": first.upload,
        "project": first.project,
        "number": first.source_index,
        "grouped_by": Feature.GroupedBy.COMPUTED if len(everything) > 1 else Feature.GroupedBy.SINGLE,
        "representative": first,
        "n_members": len(everything),
        "n_outliers": len(outliers),
        "precursor_mz": first.precursor_mz,
        "charge": first.charge,
        "adduct": first.adduct,
        "ion_mode": first.ion_mode,
        "retention_time_s": first.retention_time_s,
    }
    feature = Feature.objects.create(**(fields | overrides))
    FeatureMember.objects.bulk_create(
        FeatureMember(feature=feature, spectrum=spectrum, is_outlier=spectrum in outliers)
        for spectrum in everything
    )
    return feature


def make_model_version(**overrides: Any) -> ModelVersion:
    digest = hashlib.sha256(str(next(_number)).encode()).hexdigest()
    fields: dict[str, Any] = {
        "name": "glmr-test",
        "checkpoint_sha256": digest,
        "tokenizer_sha256": digest,
        "folder": "nowhere",
        "embedding_dim": EMBEDDING_DIM,
    }
    return ModelVersion.objects.create(**(fields | overrides))


def make_molecule(smiles: str = SMILES[0]) -> Molecule:
    """The row of the molecule, existing or new."""
    standard = standardise(smiles)
    return Molecule.objects.get_or_create(
        inchikey_first_block=standard.inchikey_first_block,
        defaults={
            "smiles": standard.smiles,
            "formula": standard.formula,
            "exact_mass": standard.exact_mass,
            "fingerprint": standard.fingerprint,
        },
    )[0]


def make_library_version(
    smiles: Sequence[str] = SMILES, model_version: ModelVersion | None = None, **overrides: Any
) -> LibraryVersion:
    """A ready version. With a model version, it is embedded for it with random vectors of a fixed seed."""
    n = next(_number)
    library = overrides.pop("library", None) or Library.objects.create(name=f"Library {n}")
    fields: dict[str, Any] = {
        "library": library,
        "number": library.versions.count() + 1,
        "source_file_name": "library.smi",
        "source_sha256": f"{n:064d}",
        "n_rows": len(smiles),
    }
    version = LibraryVersion.objects.create(**(fields | overrides))
    molecules = list(dict.fromkeys(make_molecule(text) for text in smiles))
    LibraryEntry.objects.bulk_create(
        LibraryEntry(
            version=version,
            molecule=molecule,
            exact_mass=molecule.exact_mass,
            row_number=row,
            drawn_smiles=molecule.smiles,
            name=f"compound {row}",
        )
        for row, molecule in enumerate(molecules, 1)
    )
    version.n_molecules = len(molecules)
    version.state = LibraryVersion.State.READY
    version.save()
    if model_version is not None:
        embed(version, model_version)
    return version


def make_importing_version(library: Library, **overrides: Any) -> LibraryVersion:
    """The next version of the library, without entries. It is importing by default."""
    fields: dict[str, Any] = {
        "library": library,
        "number": library.versions.count() + 1,
        "source_file_name": "library.smi",
        "source_sha256": "0" * 64,
    }
    return LibraryVersion.objects.create(**(fields | overrides))


def make_reference_version(collection: ReferenceCollection, **overrides: Any) -> ReferenceVersion:
    """A ready version without spectra."""
    fields: dict[str, Any] = {
        "collection": collection,
        "number": collection.versions.count() + 1,
        "state": ReferenceVersion.State.READY,
    }
    return ReferenceVersion.objects.create(**(fields | overrides))


def make_reference_spectra(
    collection: ReferenceCollection, smiles: Sequence[str], **overrides: Any
) -> ReferenceVersion:
    """A ready version with one spectrum of each molecule."""
    version = make_reference_version(
        collection, **({"n_spectra": len(smiles), "state": ReferenceVersion.State.IMPORTING} | overrides)
    )
    peaks = np.asarray((100.0, 200.0), dtype="<f8").tobytes()
    for position, text in enumerate(smiles):
        molecule = make_molecule(text)
        ReferenceSpectrum.objects.create(
            version=version,
            molecule=molecule,
            position=position,
            title=f"MSBNK-TEST-{position}",
            precursor_mz=molecule.exact_mass + 1.00728,
            adduct="[M+H]+",
            license="CC BY",
            contributor="A. Chemist",
            origin=f"file.mgf, spectrum {position + 1}",
            n_peaks=2,
            mz_bytes=peaks,
            intensity_bytes=peaks,
            splash=f"splash10-{position}",
        )
    version.state = ReferenceVersion.State.READY
    version.save()
    return version


def make_import(user: User, **overrides: Any) -> VersionImport:
    """A checked import of a library, without its file."""
    n = next(_number)
    molecule = standardise(SMILES[0])
    report = {
        "n_read": 3, "n_accepted": 2, "n_merged": 1, "n_molecules": 1, "n_changed": 1, "n_rejected": 1,
        "n_added": 1, "n_removed": 0, "compared_with": None,
        "notes": [{"code": "salt_removed", "text": "Salt removed.", "count": 1, "examples": ["line 2"]}],
        "rejections": [
            {"code": "unparsable", "reason": "The SMILES cannot be read.", "remedy": "Correct it.",
             "n": 1, "positions": ["line 3"]}
        ],
        "preview": [
            {"position": "line 1", "name": "aspirin", "formula": molecule.formula, "smiles": molecule.smiles,
             "mz": molecule.exact_mass, "adduct": ""}
        ],
    }  # fmt: skip
    fields: dict[str, Any] = {
        "kind": VersionImport.Kind.LIBRARY,
        "name": f"Compounds {n}",
        "license": "CC0",
        "source": "our inventory",
        "file_name": "compounds.csv",
        "requested_by": user,
        "state": VersionImport.State.CHECKED,
        "report": report,
        "expires_at": timezone.now(),
    }
    return VersionImport.objects.create(**(fields | overrides))


def embed(version: LibraryVersion, model_version: ModelVersion) -> None:
    molecules = Molecule.objects.filter(entries__version=version).order_by("id")
    vectors = np.random.default_rng(7).normal(size=(len(molecules), model_version.embedding_dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    MoleculeEmbedding.objects.bulk_create(
        (
            MoleculeEmbedding(molecule=molecule, model_version=model_version, vector=vector.astype("f4"))
            for molecule, vector in zip(molecules, vectors, strict=True)
        ),
        ignore_conflicts=True,
    )
    LibraryEmbedding.objects.create(
        version=version,
        model_version=model_version,
        n_embedded=len(molecules),
        finished_at=version.created_at,
    )


def make_job(
    n_spectra: int = 3,
    project: Project | None = None,
    user: User | None = None,
    spectra: Sequence[Spectrum] = (),
    features: Sequence[Feature] = (),
    **overrides: Any,
) -> Job:
    """A job with pending items and a library version that is embedded for its model.

    Of the features, or of those of the spectra, or of `n_spectra` new ones.
    """
    user = user or make_user()
    upload = make_upload(project or make_project(user), user)
    if not features:
        spectra = spectra or [make_spectrum(upload) for _ in range(n_spectra)]
        features = [spectrum.membership.feature for spectrum in spectra]
    model_version = overrides.pop("model_version", None) or make_model_version()
    version = overrides.pop("library_version", None) or make_library_version(model_version=model_version)
    fields: dict[str, Any] = {
        "project": features[0].project if features else upload.project,
        "submitted_by": user,
        "name": f"Job {next(_number)}",
        "library_version": version,
        "model_version": model_version,
        "params": {},
        "params_sha256": "0" * 64,
    }
    job = Job.objects.create(**(fields | overrides))
    JobItem.objects.bulk_create(
        JobItem(job=job, feature=feature, spectrum=feature.representative, position=position)
        for position, feature in enumerate(features)
    )
    return job


FUSED: dict[str, Any] = {
    "method": "fused", "p_right": 0.62, "p_close": 0.81, "p_absent": 0.07, "abstains": False
}  # fmt: skip


def make_annotation(item: JobItem | None = None, *, fused: bool = False, **overrides: Any) -> Annotation:
    """Set the item to done, with the molecules of the library as candidates and one generated molecule.

    With `fused`, candidates have probabilities and evidence, and a second generated molecule is proposed.
    """
    item = item or make_job(n_spectra=1).items.get()
    entries = LibraryEntry.objects.filter(version=item.job.library_version).select_related("molecule")
    molecules = [entry.molecule for entry in entries.order_by("row_number")]
    fields: dict[str, Any] = {
        "item": item,
        "job": item.job,
        "spectrum": item.spectrum,
        "adduct": "[M+H]+",
        "neutral_mass": 180.0423,
        "n_in_window": len(molecules),
        "n_candidates": len(molecules),
        "top_molecule": molecules[0] if molecules else None,
        "top_generated_similarity": 0.9,
        "top_embedding_similarity": 0.8,
        "margin": 0.1,
        "code_version": "0.1.0",
        "rdkit_version": "2026.9.1",
        "torch_version": "2.13.0",
        "preprocessing_version": "1",
        "device": "cpu",
        "worker": "test",
        "attempt": 1,
        "timings_s": {"preprocess": 0.001},
    }
    fields |= FUSED if fused else {}
    annotation = Annotation.objects.create(**(fields | overrides))
    Candidate.objects.bulk_create(
        Candidate(
            annotation=annotation,
            rank=rank,
            molecule=molecule,
            mass_error_ppm=0.5,
            retrieval_rank=rank,
            embedding_similarity=0.9 - 0.1 * rank,
            generated_similarity=1.0 - 0.1 * rank,
            probability=0.62 / 2 ** (rank - 1) if fused else None,
            evidence={"fingerprint": 3.0 - rank, "fragments": 0.5 / rank} if fused else {},
        )
        for rank, molecule in enumerate(molecules, 1)
    )
    GeneratedMolecule.objects.create(
        annotation=annotation,
        beam_rank=1,
        text=SMILES[0],
        log_likelihood=-3.2,
        smiles=SMILES[0],
        inchikey_first_block="BSYNRYMUTXBXSQ",
        formula="C9H8O4",
        exact_mass=180.0423,
        mass_error_ppm=0.5,
        in_library=True,
    )
    if fused:
        GeneratedMolecule.objects.create(
            annotation=annotation,
            beam_rank=2,
            text="OC(=O)c1cccc(OC(C)=O)c1",
            log_likelihood=-4.1,
            smiles="CC(=O)Oc1cccc(C(=O)O)c1",
            inchikey_first_block="XGGWLPNTPFTVGY",
            formula="C9H8O4",
            exact_mass=180.0423,
            mass_error_ppm=0.5,
            is_proposed=True,
        )
    JobItem.objects.filter(pk=item.pk).update(
        state=JobItem.State.DONE, attempts=1, fence=1, finished_at=annotation.created_at
    )
    return annotation


def add_candidate(annotation: Annotation, **overrides: Any) -> Candidate:
    """A further candidate behind the others: a new molecule, ranked last."""
    rank = annotation.candidates.count() + 1
    fields: dict[str, Any] = {
        "rank": rank,
        "molecule": make_molecule("C" * rank),
        "mass_error_ppm": 0.5,
        "retrieval_rank": rank,
        "embedding_similarity": 0.1,
    }
    return Candidate.objects.create(annotation=annotation, **(fields | overrides))
