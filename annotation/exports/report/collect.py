"""Collects what a report says, as plain data that the HTML page and the PDF lay out in the same way.

Numbers are text for people here. Data for machines are in the other formats.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from annotation.exports.contents import Contents
from annotation.exports.report import wording
from annotation.exports.report.plots import DrawnPeak, histogram_svg, map_svg, spectrum_svg
from annotation.jobs.parameters import from_json
from annotation.results.view import AnnotationView, ResultView
from annotation.spectra.models import Spectrum
from annotation.spectra.records import to_exchange
from models_ml.molecules.depict import depict_svg
from models_ml.molecules.peak_explanations import explain_peaks
from models_ml.molecules.structure_text import UnusableStructure

MAX_PAGES = 300
MAX_LINES = 3000
N_ALTERNATIVES = 5
N_BINS = 10
ERROR_BINS = 20
LIKELY = 0.75
COMPUTED = "computed"  # the instrument type of spectra that the project's fragmenter made


@dataclass(slots=True)
class Plot:
    title: str
    caption: str
    svg: str


@dataclass(slots=True)
class Line:
    """One feature in the table of all features."""

    number: str
    title: str
    mz: str
    time: str
    name: str
    formula: str
    probability: str
    level: str
    outcome: str
    has_page: bool


@dataclass(slots=True)
class FeaturePage:
    number: str
    title: str
    name: str
    sentence: str
    facts: list[tuple[str, str]]
    structure: str  # SVG
    plot: str  # SVG
    plot_caption: str
    alternatives: list[tuple[str, ...]]  # rank, name, formula, probability, mass error


@dataclass(slots=True)
class Report:
    title: str
    facts: list[tuple[str, str]]
    outcomes: list[tuple[str, str]]
    plots: list[Plot]
    lines: list[Line]
    pages: list[FeaturePage]
    notes: list[str]  # what was left out, and other things to know before reading
    methods: list[str]
    cautions: list[str]
    licences: list[tuple[str, str]]
    references: list[str]
    provenance: list[tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class _Totals:
    """What the plots and tables of the summary need, filled feature by feature."""

    n_rows: int = 0
    n_computed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    probabilities: list[float] = field(default_factory=list)
    errors_ppm: list[float] = field(default_factory=list)
    points: list[tuple[float, float, bool]] = field(default_factory=list)
    licences: Counter[str] = field(default_factory=Counter)

    def add(self, result: ResultView) -> None:
        annotation = result.annotation
        candidates = annotation.candidates if annotation else ()
        p_right = annotation.p_right if annotation else None
        self.n_rows += max(1, len(candidates))
        self.n_computed += result.spectrum.instrument_type == COMPUTED
        self.outcomes[wording.outcome(result)] += 1
        self.licences[result.spectrum.license or "not stated"] += 1
        if p_right is not None and annotation is not None and annotation.n_candidates > 1:
            self.probabilities.append(p_right)
        if candidates:
            self.errors_ppm.append(candidates[0].mass_error_ppm)
        seconds, mz = result.feature.retention_time_s, result.spectrum.precursor_mz
        if seconds is not None and mz is not None:
            self.points.append((seconds / 60, mz, (p_right or 0) >= LIKELY))


def collect(contents: Contents) -> tuple[Report, int]:
    """The report, and the number of rows that the same features have in a table."""
    tolerance_ppm = from_json(contents.job.params).precursor_tolerance_ppm
    totals, lines, pages = _Totals(), list[Line](), list[FeaturePage]()
    n_answers = 0
    for spectrum, result in contents.with_spectra():
        totals.add(result)
        has_answer = result.annotation is not None and bool(result.annotation.candidates)
        n_answers += has_answer
        has_page = has_answer and len(pages) < MAX_PAGES
        if has_page and result.annotation is not None:
            pages.append(_page(spectrum, result, result.annotation, tolerance_ppm))
        if len(lines) < MAX_LINES:
            lines.append(_line(result, has_page))
    report = Report(
        title=contents.job.name,
        facts=_facts(contents),
        outcomes=[(words, f"{n:,}") for words, n in totals.outcomes.most_common()],
        plots=_plots(totals, tolerance_ppm),
        lines=lines,
        pages=pages,
        notes=_notes(contents, totals, n_answers, len(pages)),
        methods=wording.methods(contents.job, contents.n_features),
        cautions=list(wording.CAUTIONS),
        licences=_licences(contents, totals),
        references=list(wording.REFERENCES),
        provenance=[(name.replace("_", " "), _text(value)) for name, value in contents.facts().items()],
    )
    return report, totals.n_rows


def _line(result: ResultView, has_page: bool) -> Line:
    annotation = result.annotation
    best = annotation.candidates[0] if annotation and annotation.candidates else None
    return Line(
        number=str(result.position + 1),
        title=_title(result),
        mz=wording.fixed(result.spectrum.precursor_mz, 4),
        time=wording.minutes(result.feature.retention_time_s),
        name=(best.name or best.inchikey_first_block) if best else "",
        formula=wording.formula(best.formula) if best else "",
        probability=wording.percent(annotation.p_right if annotation else None),
        level=wording.level(annotation).split(" ")[0],
        outcome=wording.outcome(result),
        has_page=has_page,
    )


def _page(
    spectrum: Spectrum, result: ResultView, annotation: AnnotationView, tolerance_ppm: float
) -> FeaturePage:
    best, verdict = annotation.candidates[0], annotation.verdict
    decided = verdict.smiles if verdict and verdict.smiles else best.smiles
    chosen = next((c for c in annotation.candidates if c.smiles == decided), None)
    name = (chosen.name or chosen.inchikey_first_block) if chosen else "Structure set by a curator"
    peaks, n_explained = _peaks(spectrum, decided, annotation.adduct, tolerance_ppm)
    assumed = {"assumed": " (assumed)", "ms1": " (from MS1)"}.get(annotation.adduct_source, "")
    energy = result.spectrum.collision_energy or "not stated"
    return FeaturePage(
        number=str(result.position + 1),
        title=_title(result),
        name=name,
        sentence=wording.sentence(result),
        facts=[
            ("Formula", wording.formula(chosen.formula) if chosen else wording.NO_VALUE),
            ("Exact mass", wording.fixed(chosen.exact_mass if chosen else None, 4, " Da")),
            ("Precursor m/z", wording.fixed(result.spectrum.precursor_mz, 4)),
            ("Mass error", wording.fixed(chosen.mass_error_ppm if chosen else None, 1, " ppm")),
            ("Adduct", f"{annotation.adduct}{assumed}"),
            ("Retention time", wording.minutes(result.feature.retention_time_s)),
            ("Collision energy", energy),
            ("Spectra", f"{result.feature.n_members}"),
            ("Purity", wording.percent(result.feature.purity)),
            ("Probability of rank 1", wording.percent(annotation.p_right)),
            ("Confidence level", wording.level(annotation)),
            ("InChIKey, first block", chosen.inchikey_first_block if chosen else wording.NO_VALUE),
            ("SPLASH", result.spectrum.splash),
        ],
        structure=depict_svg(decided, 300, 200, title=name),
        plot=spectrum_svg(peaks, result.spectrum.precursor_mz),
        plot_caption=f"{len(peaks):,} peaks; {n_explained:,} in colour are explained by fragments of this "
        "structure. The dashed line is the precursor.",
        alternatives=[
            (
                str(c.rank),
                c.name or c.inchikey_first_block,
                wording.formula(c.formula),
                wording.percent(c.probability),
                wording.fixed(c.mass_error_ppm, 1, " ppm"),
            )
            for c in annotation.candidates[:N_ALTERNATIVES]
        ],
    )


def _peaks(spectrum: Spectrum, smiles: str, adduct: str, tolerance_ppm: float) -> tuple[list[DrawnPeak], int]:
    """The peaks with a positive intensity, and how many of them a fragment explains."""
    try:
        explained = {
            peak.peak_index for peak in explain_peaks(to_exchange(spectrum), smiles, adduct, tolerance_ppm)
        }
    except (UnusableStructure, ValueError):
        explained = set()
    mz, intensity = spectrum.mz, spectrum.intensity
    usable = np.flatnonzero(np.isfinite(mz) & np.isfinite(intensity) & (intensity > 0))
    highest = float(intensity[usable].max(initial=0.0)) or 1.0
    peaks = [
        DrawnPeak(float(mz[index]), float(100 * intensity[index] / highest), int(index) in explained)
        for index in usable
    ]
    return peaks, sum(peak.is_explained for peak in peaks)


def _plots(totals: _Totals, tolerance_ppm: float) -> list[Plot]:
    plots = []
    if totals.probabilities:
        counts, _ = np.histogram([100 * p for p in totals.probabilities], bins=N_BINS, range=(0, 100))
        svg = histogram_svg(counts.tolist(), 0, 100, "probability of rank 1 (%)")
        caption = (
            f"{len(totals.probabilities):,} features with a probability. Features with an only candidate are "
            "not shown."
        )
        plots.append(Plot("How sure the answers are", caption, svg))
    if totals.errors_ppm:
        counts, _ = np.histogram(totals.errors_ppm, bins=ERROR_BINS, range=(-tolerance_ppm, tolerance_ppm))
        svg = histogram_svg(counts.tolist(), -tolerance_ppm, tolerance_ppm, "mass error of rank 1 (ppm)")
        median = float(np.median(totals.errors_ppm))
        caption = (
            f"Measured minus theoretical precursor m/z, median {median:+.1f} ppm. A median far from 0 is a "
            "sign of a calibration error of the instrument."
        )
        plots.append(Plot("Mass error", caption, svg))
    if totals.points:
        caption = f"{len(totals.points):,} features; in colour those whose rank 1 is at least likely."
        plots.append(Plot("Features of the run", caption, map_svg(totals.points)))
    return plots


def _notes(contents: Contents, totals: _Totals, n_answers: int, n_pages: int) -> list[str]:
    notes = []
    if totals.n_computed:
        notes.append(
            f"{totals.n_computed:,} of the spectra were computed from structures, for tests. They "
            "were not measured."
        )
    if contents.export.filter:
        notes.append("The report holds the features that a filter selects, not the whole job.")
    if n_answers > n_pages:
        notes.append(
            f"{n_pages:,} of {n_answers:,} features with an answer have a page, the first in the order of "
            "submission. Use a filter for a report on others."
        )
    if contents.n_features > MAX_LINES:
        notes.append(f"The table lists the first {MAX_LINES:,} of {contents.n_features:,} features.")
    return notes


def _facts(contents: Contents) -> list[tuple[str, str]]:
    job = contents.job
    return [
        ("Project", job.project.name),
        ("Job", f"{job.name}{f' ({job.external_id})' if job.external_id else ''}"),
        ("Features", f"{contents.n_features:,}"),
        ("Library", f"{job.library_version.library.name}, version {job.library_version.number}"),
        ("Results of", f"{contents.snapshot.taken_at:%Y-%m-%d %H:%M} UTC"),
        ("Snapshot", contents.snapshot.id),
        ("Made by", contents.export.requested_by.username),
    ]


def _licences(contents: Contents, totals: _Totals) -> list[tuple[str, str]]:
    job = contents.job
    version = job.library_version
    library = version.library
    licence = version.license or library.license or "not stated"
    rows = [("GLMR Server", "Apache-2.0"), (f"Library {library.name}", licence)]
    if (references := job.reference_version) is not None:
        collection = references.collection
        licence = references.license or collection.license or "not stated"
        rows.append((f"Reference spectra {collection.name}", licence))
    for licence, n in totals.licences.most_common(20):
        rows.append((f"Spectra of this report ({n:,})", licence))
    return rows


def _title(result: ResultView) -> str:
    return result.spectrum.title or result.spectrum.external_id or f"feature {result.position + 1}"


def _text(value: object) -> str:
    return wording.NO_VALUE if value in (None, "") else str(value)
