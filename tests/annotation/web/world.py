"""A project with one annotated job, people of each role, and a stranger from another project."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.test import Client

from annotation.models import Annotation, Job, Membership, Project, Role
from tests.annotation.builders import make_annotation, make_job, make_project, make_user


@dataclass(frozen=True)
class World:
    """Three spectra: the first annotated, the second failed, the third waiting."""

    project: Project
    job: Job
    annotation: Annotation
    people: dict[str, User]

    def client(self, who: str) -> Client:
        client = Client()
        client.force_login(self.people[who])
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
    failed.state, failed.error_code, failed.error = "failed", "no_adduct", "It names no adduct. Name one."
    failed.save()
    return World(project, job, annotation, people)
