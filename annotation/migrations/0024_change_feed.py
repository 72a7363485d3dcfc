"""The feed of changes, written by triggers; identifiers of samples; jobs whose external_id is unique.

Every new column of an old table has a default in the database, so no row is rewritten.
"""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

# One row for each object and transaction: repeated changes of a transaction are one change for a reader.
FEED = """
CREATE FUNCTION annotation_note_change(project bigint, kind text, public_id uuid) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO annotation_change (project_id, kind, public_id, transaction, at)
    VALUES (project, kind, public_id, pg_current_xact_id()::text::bigint, now())
    ON CONFLICT (transaction, kind, public_id) WHERE sequence IS NULL DO NOTHING
$$;
CREATE FUNCTION annotation_job_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM annotation_note_change(NEW.project_id, 'job', NEW.public_id);
    RETURN NULL;
END $$;
CREATE FUNCTION annotation_export_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM annotation_note_change(job.project_id, 'export', NEW.public_id)
    FROM annotation_job job WHERE job.id = NEW.job_id;
    RETURN NULL;
END $$;
CREATE FUNCTION annotation_verdict_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM annotation_note_change(job.project_id, 'verdict', annotation.public_id)
    FROM annotation_annotation annotation JOIN annotation_job job ON job.id = annotation.job_id
    WHERE annotation.id = NEW.annotation_id;
    RETURN NULL;
END $$;
CREATE TRIGGER job_change AFTER INSERT OR UPDATE ON annotation_job
    FOR EACH ROW EXECUTE FUNCTION annotation_job_changed();
CREATE TRIGGER export_change AFTER INSERT OR UPDATE OF state ON annotation_export
    FOR EACH ROW EXECUTE FUNCTION annotation_export_changed();
CREATE TRIGGER verdict_change AFTER INSERT ON annotation_verdict
    FOR EACH ROW EXECUTE FUNCTION annotation_verdict_added();
"""

UNDO = """
DROP TRIGGER verdict_change ON annotation_verdict;
DROP TRIGGER export_change ON annotation_export;
DROP TRIGGER job_change ON annotation_job;
DROP FUNCTION annotation_verdict_added();
DROP FUNCTION annotation_export_changed();
DROP FUNCTION annotation_job_changed();
DROP FUNCTION annotation_note_change(bigint, text, uuid);
"""


class Migration(migrations.Migration):

    dependencies = [
        ("annotation", "0023_molecule_search"),
    ]

    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=[("job", "Job"), ("export", "Export"), ("verdict", "Verdict")], max_length=10)),
                ("public_id", models.UUIDField(help_text="Of the job, of the export, or of the annotation with the verdict.")),
                ("transaction", models.BigIntegerField(help_text="Its number in the database that it was written to.")),
                ("sequence", models.BigIntegerField(help_text="Null until the row is numbered.", null=True, unique=True)),
                ("at", models.DateTimeField(help_text="Start of the transaction.")),
                ("project", models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="annotation.project")),
            ],
            options={
                "indexes": [
                    models.Index(fields=["project", "sequence"], name="change_feed"),
                    models.Index(condition=models.Q(("sequence", None)), fields=["id"], name="change_unnumbered"),
                    django.contrib.postgres.indexes.BrinIndex(fields=["at"], name="change_age"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("sequence", None)),
                        fields=("transaction", "kind", "public_id"),
                        name="one_change_per_transaction",
                    )
                ],
            },
        ),
        migrations.RunSQL(sql=FEED, reverse_sql=UNDO),
        migrations.AlterField(
            model_name="idempotencykey",
            name="token",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="annotation.apitoken"),
        ),
        migrations.AddField(
            model_name="job",
            name="external_id_is_unique",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_id_is_unique", True)),
                fields=("project", "external_id"),
                name="one_job_per_unique_external_id",
            ),
        ),
        migrations.AddField(
            model_name="spectrum",
            name="sample_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The sample that the submitter states for this spectrum. Empty: that of the file.",
                max_length=200,
            ),
        ),
        migrations.AddIndex(
            model_name="spectrum",
            index=models.Index(condition=~models.Q(("sample_id", "")), fields=["sample_id"], name="spectrum_sample"),
        ),
    ]
