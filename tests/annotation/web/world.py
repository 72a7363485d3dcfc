"""A project with one job, a person for each role, and a stranger from another project."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.test import Client

from annotation.models import Annotation, Job, JobItem, Membership, Project, Role
from tests.annotation.builders import make_annotation, make_job, make_project, make_user


@dataclass(frozen=True)
class World:
    """The job has three spectra: the first is annotated, the second failed, the third waits."""

    project: Project
    job: Job
    annotation: Annotation
    people: dict[str, User]

    def client(self, person: str) -> Client:
        """A test client signed in as viewer, submitter, curator, admin or stranger."""
        client = Client()
        client.force_login(self.people[person])
        return client


def make_world() -> World:
    submitter = make_user("sam")
    project = make_project(submitter, Role.SUBMITTER, name="River Rhine")
    people = {"submitter": submitter}
    for role in (Role.VIEWER, Role.CURATOR):
        people[role.value] = make_user(role.value)
        Membership.objects.create(project=project, user=people[role.value], role=role)
    people["stranger"] = make_user("stranger")
    make_project(people["stranger"], Role.MANAGER)
    people["admin"] = make_user("root", is_staff=True, is_superuser=True)
    job = make_job(3, project=project, user=submitter, name="July batch")
    done, failed, _ = job.items.order_by("position")
    annotation = make_annotation(done)
    failed.state, failed.error_code = JobItem.State.FAILED, "no_adduct"
    failed.error = "The spectrum has no adduct. Add one."
    failed.save()
    return World(project, job, annotation, people)
