"""Watching a job: small first batches, and what workers report about the models and messages that they lack."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0012_features"),
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
    ]
