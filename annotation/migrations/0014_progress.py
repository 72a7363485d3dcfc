"""Watching a job: small first batches, and what workers report about the models and messages that they lack."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("annotation", "0013_import_notes"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="n_batches",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="workerheartbeat",
            name="cannot_load",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), blank=True, db_default=[], default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="workerheartbeat",
            name="rang_at",
            field=models.DateTimeField(help_text="When the worker last heard the doorbell.", null=True),
        ),
        migrations.CreateModel(
            name="EndNotice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "sent_for",
                    models.DateTimeField(
                        help_text="The end of the job that the last mail announced.", null=True
                    ),
                ),
                ("n_failures", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("next_try_at", models.DateTimeField(null=True)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="annotation.job",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("job", "user"), name="one_notice_per_person")
                ],
            },
        ),
    ]
