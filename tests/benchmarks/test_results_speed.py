"""50,000 annotated features in one job: table, filter and map below 300 ms, a substructure below 2 s.

The rows are made by bulk SQL, from real structures where `../shared/data` has them. Times are those of the
server, from the request to the whole response, without the network. They are wall time,
so other work on the machine counts too. On two cores with a load average of 10.5, on 2026-11-27: pages 232 to
849 ms, the overview 777 and again 100 ms, substructures 752 to 2,300 and 420 to 768 ms again.
"""

from __future__ import annotations

import gzip
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.http import urlencode
from rdkit import Chem

from annotation.libraries.patterns import store_patterns
from annotation.models import Job, Molecule
from annotation.tables import substructure
from annotation.web import overview_page
from models_ml.molecules.fingerprint import morgan_fingerprint
from models_ml.molecules.formula import exact_mass, hill_formula
from models_ml.molecules.substructure import structure_of
from tests.annotation.builders import make_job, make_project, make_user

N_FEATURES = 50_000
N_MOLECULES = 20_000
TABLE_S, SUBSTRUCTURE_S = 0.3, 2.0
ATTEMPTS = 5
PAGES = (
    ("table", ""),
    ("sorted by probability", "?sort=-right"),
    ("sorted by disagreement", "?sort=-disagreement"),
    ("a page in the middle", "?sort=-right&after=25000"),
    ("filter by probability and m/z", "?sure=75&mz_from=200&mz_to=400"),
    ("filter by a list of m/z", "?mz=" + "+".join(f"{200 + n / 7:.4f}" for n in range(500))),
    ("filter by retention time and references", "?time_from=100&time_to=300&references=disagree"),
    ("filter by formula", "?formula=C17H19NO3"),
    ("filter by verdict", "?review=none&sort=margin"),
)
SUBSTRUCTURES = ("c1ccccc1", "[CX3](=O)[OX2H1]", "c1ccc2[nH]ccc2c1", "[#7]", "P(=O)(O)O")

_FILL = """
INSERT INTO annotation_spectrum (
    upload_id, project_id, source_index, title, external_id, precursor_mz, charge, adduct, ion_mode, ms_level,
    collision_energy, instrument, instrument_type, license, claimed_smiles, claimed_inchikey, metadata,
    n_peaks, mz_bytes, intensity_bytes, splash)
SELECT %(upload)s, %(project)s, 1000 + n, 'scan ' || n, '', 100 + 900 * random(), 1, '[M+H]+', 'positive', 2,
    '', '', '', '', '', '', '{}', 60, decode(repeat('00', 480), 'hex'), decode(repeat('00', 480), 'hex'),
    'splash10-bench-' || n
FROM generate_series(1, %(n)s) AS n;
INSERT INTO annotation_feature (
    upload_id, project_id, number, label, grouped_by, reason, representative_id, n_members, n_outliers,
    precursor_mz, charge, adduct, ion_mode, retention_time_s, isotope_mz, isotope_intensity, purity,
    proposed_adduct, proposed_adduct_reason, quantities)
SELECT upload_id, project_id, source_index, '', 'single', '', id, 1, 0, precursor_mz, 1, adduct, ion_mode,
    1200 * random(), '[]', '[]', random(), '', '', '{}'
FROM annotation_spectrum WHERE upload_id = %(upload)s AND source_index > 1000;
INSERT INTO annotation_jobitem (
    job_id, feature_id, spectrum_id, position, state, attempts, fence, isolated, worker, error_code, error,
    finished_at)
SELECT %(job)s, id, representative_id, number - 1001, 'done', 1, 1, false, '', '', '', now()
FROM annotation_feature WHERE upload_id = %(upload)s AND number > 1000;
INSERT INTO annotation_annotation (
    public_id, item_id, job_id, spectrum_id, created_at, adduct, adduct_assumed, adduct_from_ms1,
    neutral_mass, n_in_window, n_candidates, proposed_level, method, p_right, p_close, p_absent, abstains,
    formula_note, top_molecule_id, top_generated_similarity, top_embedding_similarity, margin,
    reference_similarity, reference_disagreement, code_version, rdkit_version, torch_version,
    preprocessing_version, device, worker, attempt, timings_s, members)
SELECT gen_random_uuid(), id, job_id, spectrum_id, now(), '[M+H]+', false, false, 300, 20, 20, '3', 'fused',
    random(), 0.9, 0.03, false, '', (%(molecules)s::bigint[])[1 + position %% %(n_molecules)s], 0.5, 0.5,
    random(), nullif(position %% 3, 0) * 0.4, nullif(position %% 3, 0) * random() - 1, 'bench', '', '', '1',
    'cpu', 'bench', 1, '{}', '[]'
FROM annotation_jobitem WHERE job_id = %(job)s;
INSERT INTO annotation_candidate (
    annotation_id, rank, molecule_id, mass_error_ppm, retrieval_rank, embedding_similarity,
    generated_similarity, probability, evidence)
SELECT id, rank, top_molecule_id, 6 * random() - 3, rank, 0.5, 0.5, p_right / rank, '{}'
FROM annotation_annotation, generate_series(1, 5) AS rank WHERE job_id = %(job)s;
ANALYZE;
"""


def make_batch(user: User) -> Job:
    job = make_job(1, project=make_project(user), user=user)
    item = job.items.get()
    upload, project = item.spectrum.upload_id, job.project_id
    item.delete()
    molecules = store_molecules()
    store_patterns(molecules)
    values: dict[str, Any] = {
        "upload": upload, "project": project, "job": job.pk, "n": N_FEATURES, "molecules": molecules,
        "n_molecules": len(molecules),
    }  # fmt: skip
    with connection.cursor() as cursor:
        for statement in _FILL.split(";\n"):
            if statement.strip():
                cursor.execute(statement, values if "%(" in statement else None)
    return job


def store_molecules() -> list[int]:
    """The structures as they are, under other keys: no search of this benchmark reads the keys."""
    mols = [structure_of(smiles) for smiles in itertools.islice(structures(), N_MOLECULES)]
    rows = Molecule.objects.bulk_create(
        (
            Molecule(
                inchikey_first_block=f"BENCH{number:09d}",
                smiles=Chem.MolToSmiles(mol),
                formula=hill_formula(mol),
                exact_mass=exact_mass(mol),
                fingerprint=morgan_fingerprint(mol),
            )
            for number, mol in enumerate(mols)
        ),
        batch_size=2000,
    )
    return [row.pk for row in rows]


def structures() -> Iterator[str]:
    """Real structures, or chains and rings with substituents where there are none."""
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / "library" / "candidates.smi.gz"
    if path.exists():
        with gzip.open(path, "rt") as lines:
            yield from (line.split()[0] for line in lines)
        return
    parts = ("C", "N", "O", "c1ccccc1", "C(=O)O", "C1CCCCC1", "CC", "S", "Cl", "C(=O)N")
    for n in range(10 * N_MOLECULES):
        text = "".join(parts[int(digit)] if digit != "8" else "C(Cl)" for digit in str(n))
        if Chem.MolFromSmiles(text) is not None:
            yield text


def best_time(client: Client, address: str, prepare: Callable[[], None] = lambda: None) -> float:
    """The shortest of some attempts, in seconds: the others waited for other work of the machine."""
    times = []
    for _ in range(ATTEMPTS):
        prepare()
        started = time.perf_counter()
        response = client.get(address)
        times.append(time.perf_counter() - started)
        assert response.status_code == 200
    return min(times)


@pytest.mark.timeout(1800)
def test_results_of_a_large_job(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    user, client = make_user(), Client()
    client.force_login(user)
    job = make_batch(user)
    times = page_times(client, job)
    searches = substructure_times(client, job)
    with capsys.disabled():
        for name, seconds in times.items():
            print(f"\n{name}: {seconds * 1000:.0f} ms", end="")
        for smarts, (first, again) in searches.items():
            print(f"\nsubstructure {smarts}: {first * 1000:.0f} ms, again {again * 1000:.0f} ms", end="")
        print()
    assert max(times.values()) < TABLE_S
    assert max(first for first, _ in searches.values()) < SUBSTRUCTURE_S
    assert max(again for _, again in searches.values()) < TABLE_S


def page_times(client: Client, job: Job) -> dict[str, float]:
    page = reverse("job-detail", args=[job.public_id])
    addresses = [(name, page + query) for name, query in PAGES]
    addresses.append(("overview with the map", reverse("job-overview", args=[job.public_id])))
    addresses.append(("a feature of a filtered list", feature_address(client, job)))
    times = {name: best_time(client, address) for name, address in addresses}
    first = reverse("job-overview", args=[job.public_id])
    times["overview with the map, first time"] = best_time(client, first, overview_page._recent.clear)
    return times


def substructure_times(client: Client, job: Job) -> dict[str, tuple[float, float]]:
    """The first search and the next page of it, by SMARTS."""
    page = reverse("job-detail", args=[job.public_id])
    times = {}
    for smarts in SUBSTRUCTURES:
        address = f"{page}?{urlencode({'smarts': smarts})}"
        times[smarts] = best_time(client, address, substructure._memory.clear), best_time(client, address)
    return times


def feature_address(client: Client, job: Job) -> str:
    annotation = job.annotations.order_by("item__position")[N_FEATURES // 2]
    return reverse("annotation-detail", args=[annotation.public_id]) + "?list=sure%3D75%26sort%3D-right"
