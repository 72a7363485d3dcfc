"""Submission: samples, presets, priorities, jobs that repeat others, and uploads that arrive in parts.

Every new column is nullable or has a default in the database, so that no table is rewritten.
"""

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("annotation", "0014_progress"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='JobPreset',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80)),
                ('values', models.JSONField(help_text='The fields of the form, as text.')),
                ('saved_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='PartialUpload',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('file_name', models.CharField(max_length=255)),
                ('size_bytes', models.BigIntegerField()),
                ('created_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['created_at'],
            },
        ),
        migrations.AddField(
            model_name='job',
            name='priority',
            field=models.SmallIntegerField(choices=[(0, 'Batch'), (10, 'Interactive: before batch jobs')], db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='job',
            name='repeats',
            field=models.ForeignKey(blank=True, help_text='The job that the submitter ran again with other settings.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='repeated_by', to='annotation.job'),
        ),
        migrations.AddField(
            model_name='upload',
            name='sample',
            field=models.CharField(blank=True, db_default='', default='', help_text='Identifier of the sample that was measured, as the submitter states it.', max_length=200),
        ),
        migrations.AddIndex(
            model_name='upload',
            index=models.Index(condition=models.Q(('sample', ''), _negated=True), fields=['project', 'sample'], name='upload_sample'),
        ),
        migrations.AddField(
            model_name='jobpreset',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='presets', to='annotation.project'),
        ),
        migrations.AddField(
            model_name='jobpreset',
            name='saved_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='partialupload',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.project'),
        ),
        migrations.AddField(
            model_name='partialupload',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='jobpreset',
            constraint=models.UniqueConstraint(fields=('project', 'name'), name='one_preset_per_name'),
        ),
        migrations.AddIndex(
            model_name="referencespectrum",
            index=models.Index(fields=["title"], name="reference_title"),
        ),
    ]
