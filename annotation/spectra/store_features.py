"""Store the features of an upload, in the transaction that stores its spectra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from annotation.plain_text import clean
from annotation.spectra.models import Feature, FeatureMember, Upload
from models_ml.features.group import FeatureGroup

FEATURES_PER_INSERT = 1000


def store_features(upload: Upload, groups: Iterable[FeatureGroup], spectrum_ids: Mapping[int, int]) -> int:
    """Store the groups in their order and return their number. Two statements for every 1,000 features.

    `spectrum_ids` maps the position in the file to the row of the spectrum.
    """
    stream, n_stored = iter(groups), 0
    while chunk := list(islice(stream, FEATURES_PER_INSERT)):
        features = Feature.objects.bulk_create(
            _row(upload, number, group, spectrum_ids) for number, group in enumerate(chunk, n_stored)
        )
        FeatureMember.objects.bulk_create(
            (
                FeatureMember(
                    feature=feature, spectrum_id=spectrum_ids[index], is_outlier=index in group.outliers
                )
                for feature, group in zip(features, chunk, strict=True)
                for index in group.members
            ),
            batch_size=5000,
        )
        n_stored += len(chunk)
    return n_stored


def _row(upload: Upload, number: int, group: FeatureGroup, spectrum_ids: Mapping[int, int]) -> Feature:
    survey, proposal = group.survey, group.proposal
    return Feature(
        upload=upload,
        project_id=upload.project_id,
        number=number,
        label=clean(group.label, 200),
        grouped_by=group.grouped_by,
        reason=clean(group.reason) if len(group.members) > 1 else "",
        representative_id=spectrum_ids[group.representative],
        n_members=len(group.members),
        n_outliers=len(group.outliers),
        precursor_mz=group.precursor_mz,
        charge=group.charge,
        adduct=clean(group.adduct or "", 40),
        ion_mode=group.ion_mode or "",
        retention_time_s=group.retention_time_s,
        isotope_mz=survey.isotope_mz.tolist() if survey else [],
        isotope_intensity=survey.isotope_intensity.tolist() if survey else [],
        purity=survey.purity if survey else None,
        proposed_adduct=clean(proposal.adduct, 40) if proposal else "",
        proposed_adduct_reason=clean(proposal.reason) if proposal else "",
        quantities={clean(key, 200): clean(value, 2000) for key, value in group.quantities.items()},
    )
