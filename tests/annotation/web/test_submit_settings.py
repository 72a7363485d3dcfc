"""What a submitter decides on the report: copies of files, samples, presets, and jobs that run again."""

from __future__ import annotations

from django.urls import reverse

from annotation.models import Job, JobPreset, Upload
from tests.annotation.builders import make_project
from tests.annotation.web.dom import Dom
from tests.annotation.web.test_submit import GOOD, NO_ADDUCT, report_of, settings
from tests.annotation.web.world import World


def test_the_same_file_is_noticed_in_one_drop_and_later(world: World) -> None:
    client = world.client("submitter")
    report = report_of(world, ("a.mgf", GOOD), ("copy of a.mgf", GOOD), ("b.mgf", NO_ADDUCT))
    dom = Dom(client.get(report))
    assert dom.values("[data-copy]", "data-copy") == ["selection"]
    assert "a.mgf" in dom.text("[data-copy=selection]")
    client.post(report, settings(world, name="First run"))
    job = Job.objects.latest("pk")

    again = Dom(client.get(report_of(world, ("later.mgf", GOOD))))
    assert again.values("[data-copy=jobs] a", "href") == [reverse("job-detail", args=[job.public_id])]
    stranger = Upload.objects.create(
        project=make_project(), uploaded_by=world.people["stranger"], file_name="x.mgf", size_bytes=1,
        sha256=Upload.objects.get(file_name="b.mgf").sha256, state=Upload.State.READY,
    )  # fmt: skip
    other = Dom(client.get(report_of(world, ("b2.mgf", NO_ADDUCT))))
    assert stranger.file_name not in other.text("#files")


def test_a_cancelled_job_runs_again_with_its_settings_in_the_form(world: World) -> None:
    client = world.client("submitter")
    client.post(
        report_of(world, ("a.mgf", GOOD + NO_ADDUCT)),
        settings(world, name="First run", adduct_policy="detected", priority="10", method="glmr"),
    )
    first = Job.objects.latest("pk")
    Job.objects.filter(pk=first.pk).update(params=first.params | {"beam_size": 3})
    client.post(reverse("job-cancel", args=[first.public_id]))
    page = Dom(client.get(reverse("job-detail", args=[first.public_id])))
    report = client.get(page.get("[data-run-again] a.btn").get("href")).headers["Location"]
    dom = Dom(client.get(report))
    chosen = {
        name: dom.values(f"[name={name}] option[selected]", "value")
        for name in ("method", "adduct_policy", "priority")
    }
    assert chosen == {"method": ["glmr"], "adduct_policy": ["detected"], "priority": ["10"]}
    assert dom.values("[name=name]", "value") == ["First run"]

    client.post(report, settings(world, name="Second run", positive_adduct="[M+H]+"))
    second = Job.objects.latest("pk")
    assert (second.repeats, second.params["beam_size"], second.items.count()) == (first, 3, 2)
    assert "First run" in Dom(client.get(reverse("job-detail", args=[second.public_id]))).text(
        "[data-run-again]"
    )


def test_only_features_without_a_result_run_again(world: World) -> None:
    client = world.client("submitter")
    start = reverse("job-run-again", args=[world.job.public_id])
    dom = Dom(client.get(client.get(start).headers["Location"]))
    assert dom.get("#preflight").get("data-features") == "3"
    (only,) = (link for link in dom.values("main nav a", "href") if "only=" in link)
    assert Dom(client.get(only)).get("#preflight").get("data-features") == "1"
    assert world.client("viewer").get(start).status_code == 403
    assert world.client("stranger").get(start).status_code == 404


def test_samples_come_from_fields_and_from_a_list(world: World) -> None:
    client = world.client("submitter")
    report = report_of(world, ("a.mgf", GOOD), ("b.mgf", NO_ADDUCT))
    wrong = client.post(report, settings(world, sample_list="a.mgf S-1"))
    assert "Line 1" in Dom(wrong).text("[data-notice=refused]")
    first = Upload.objects.get(file_name="a.mgf")
    listed = "file;sample\nruns/b.mgf;Serum 7, left\n"
    client.post(report, settings(world, sample_list=listed, **{f"sample-{first.pk}": "S-1"}))
    samples = Upload.objects.exclude(sample="").order_by("pk").values_list("sample", flat=True)
    assert list(samples) == ["S-1", "Serum 7, left"]
    job = Job.objects.latest("pk")
    csv = b"".join(client.get(reverse("job-csv", args=[job.public_id]))).decode("utf-8-sig")
    heading, row, *_ = csv.splitlines()
    assert (heading.split(",")[-1], row.split(",")[-1]) == ("sample", "S-1")


def test_presets_belong_to_the_project(world: World) -> None:
    client = world.client("submitter")
    report = report_of(world, ("a.mgf", GOOD))
    sent = settings(world, do="save-preset", preset_name="Plasma", adduct_policy="enforced", name="Not kept")
    client.post(report, sent | {"positive_adduct": "[M+Na]+"})
    preset = JobPreset.objects.get(project=world.project)
    assert "name" not in preset.values
    use = client.post(report, settings(world, do="use-preset", preset=preset.pk, name="Kept"))
    dom = Dom(client.get(use.headers["Location"]))
    assert dom.values("[name=positive_adduct] option[selected]", "value") == ["[M+Na]+"]
    assert dom.values("[name=name]", "value") == ["Kept"]
    client.post(report, settings(world, do="delete-preset", preset=preset.pk))
    assert not JobPreset.objects.exists()


def test_the_files_are_read_again_with_another_grouping(world: World) -> None:
    two = GOOD.replace(b"TITLE=one", b"TITLE=one\nFEATURE_ID=7") * 2
    client = world.client("submitter")
    report = report_of(world, ("a.mgf", two))
    assert Dom(client.get(report)).get("#preflight").get("data-features") == "1"
    apart = client.post(report, settings(world, do="regroup:off")).headers["Location"]
    assert Dom(client.get(apart)).get("#preflight").get("data-features") == "2"
