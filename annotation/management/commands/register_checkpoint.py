"""Register a checkpoint folder as a model version."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from annotation.libraries.register_checkpoint import register_checkpoint
from models_ml.checkpoint_info import BrokenCheckpoint


class Command(BaseCommand):
    help = "Register a checkpoint by the hash of its weights, and make it the default model."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", nargs="?", help="default: GLMR_CHECKPOINT, the shipped checkpoint")
        parser.add_argument("--not-default", action="store_true", help="do not change the default model")

    def handle(self, *arguments: Any, **options: Any) -> None:
        folder = Path(options["folder"] or settings.GLMR_CHECKPOINT).expanduser()
        if not folder.is_dir():
            raise CommandError(
                f"{folder}: there is no such folder. Name the folder that contains config.json."
            )
        try:
            version = register_checkpoint(folder, as_default=not options["not_default"])
        except BrokenCheckpoint as problem:
            raise CommandError(str(problem)) from None
        default = "the default model" if version.is_default else "not the default"
        self.stdout.write(f"{version.name}: checkpoint {version.checkpoint_sha256[:12]}, {default}.")
