"""Features: the unit that a job annotates. Every stored spectrum gets a feature with itself as the only member.

The statements work on whole tables, without a loop over rows. The tables are filled before their foreign keys
and unique constraints exist: PostgreSQL then checks each with one query instead of once for each row.
"""

import django.db.models.deletion
from django.db import migrations, models

# Features take the ids of their spectra, so that no statement needs a join. The sequence continues after them.
FEATURES_OF_SPECTRA = """
INSERT INTO annotation_feature (
    id, upload_id, project_id, number, label, grouped_by, reason, representative_id, n_members, n_outliers,
    precursor_mz, charge, adduct, ion_mode, retention_time_s, isotope_mz, isotope_intensity, purity,
    proposed_adduct, proposed_adduct_reason, quantities
)
SELECT id, upload_id, project_id, row_number() OVER (PARTITION BY upload_id ORDER BY source_index) - 1, '',
    'single', '', id, 1, 0, precursor_mz, charge, adduct, ion_mode, retention_time_s, '[]', '[]', NULL, '', '',
    '{}'
FROM annotation_spectrum;
SELECT setval(
    pg_get_serial_sequence('annotation_feature', 'id'),
    GREATEST((SELECT max(id) FROM annotation_feature), 1),
    EXISTS (SELECT FROM annotation_feature)
);
INSERT INTO annotation_featuremember (feature_id, spectrum_id, is_outlier)
SELECT id, id, false FROM annotation_spectrum ORDER BY id;
UPDATE annotation_upload SET n_features = n_usable;
-- This rewrites the table and builds its indexes once. An UPDATE would leave a dead copy of each row.
ALTER TABLE annotation_jobitem ALTER COLUMN feature_id TYPE bigint USING spectrum_id;
-- Foreign keys are checked at the end of the transaction by default, and a table with open checks cannot be
-- altered.
SET CONSTRAINTS ALL IMMEDIATE;
"""

WRITTEN_ONCE = """
CREATE TRIGGER feature_written_once BEFORE UPDATE ON annotation_feature
    FOR EACH ROW EXECUTE FUNCTION annotation_refuse_change('Upload the file again with another grouping.');
CREATE TRIGGER member_written_once BEFORE UPDATE ON annotation_featuremember
    FOR EACH ROW EXECUTE FUNCTION annotation_refuse_change('Upload the file again with another grouping.');
"""
UNDO_WRITTEN_ONCE = """
DROP TRIGGER member_written_once ON annotation_featuremember;
DROP TRIGGER feature_written_once ON annotation_feature;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0011_outcomes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Feature",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(help_text="Order in the upload, from 0.")),
                ("label", models.CharField(blank=True, help_text="FEATURE_ID of the file.", max_length=200)),
                (
                    "grouped_by",
                    models.CharField(
                        choices=[
                            ("single", "One spectrum"),
                            ("file", "Stated in the file"),
                            ("computed", "Computed"),
                        ],
                        default="single",
                        max_length=10,
                    ),
                ),
                ("reason", models.TextField(blank=True, help_text="Why these spectra are one feature.")),
                ("n_members", models.PositiveIntegerField(default=1, help_text="Outliers included.")),
                ("n_outliers", models.PositiveIntegerField(default=0)),
                ("precursor_mz", models.FloatField(null=True)),
                ("charge", models.SmallIntegerField(null=True)),
                ("adduct", models.CharField(blank=True, max_length=40)),
                ("ion_mode", models.CharField(blank=True, max_length=10)),
                ("retention_time_s", models.FloatField(null=True)),
                (
                    "isotope_mz",
                    models.JSONField(
                        blank=True, default=list, help_text="Isotope pattern, monoisotopic first."
                    ),
                ),
                ("isotope_intensity", models.JSONField(blank=True, default=list)),
                (
                    "purity",
                    models.FloatField(
                        help_text="Share of the isolation window's MS1 intensity that is the precursor's.",
                        null=True,
                    ),
                ),
                (
                    "proposed_adduct",
                    models.CharField(blank=True, help_text="The adduct that MS1 suggests.", max_length=40),
                ),
                ("proposed_adduct_reason", models.TextField(blank=True)),
                (
                    "quantities",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="The feature's row of the quantification table, as text.",
                    ),
                ),
            ],
            options={
                "ordering": ["upload", "number"],
            },
        ),
        migrations.CreateModel(
            name="FeatureMember",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "is_outlier",
                    models.BooleanField(
                        default=False,
                        help_text="Its peaks differ from those of the others; its evidence does not count.",
                    ),
                ),
            ],
            options={
                "ordering": ["feature", "spectrum"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="jobitem",
            name="one_item_per_spectrum",
        ),
        migrations.AddField(
            model_name="annotation",
            name="adduct_from_ms1",
            field=models.BooleanField(
                default=False,
                help_text="The file states no adduct; MS1 suggested it and the submitter accepted it.",
            ),
        ),
        migrations.AddField(
            model_name="annotation",
            name="members",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Evidence of each spectrum. Empty for a feature with one member.",
            ),
        ),
        migrations.AddField(
            model_name="spectrumissue",
            name="n",
            field=models.PositiveIntegerField(default=1, help_text="Spectra that the row stands for."),
        ),
        migrations.AddField(
            model_name="upload",
            name="grouping",
            field=models.CharField(
                choices=[
                    ("auto", "As the file states; for raw runs by precursor, time and peaks"),
                    ("off", "Off: each spectrum is annotated alone"),
                ],
                default="off",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="upload",
            name="grouping_settings",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="upload",
            name="n_features",
            field=models.PositiveIntegerField(default=0, help_text="Ions that the usable spectra belong to."),
        ),
        migrations.AddField(
            model_name="feature",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                db_constraint=False,
                related_name="features",
                to="annotation.project",
            ),
        ),
        migrations.AddField(
            model_name="feature",
            name="representative",
            field=models.ForeignKey(
                help_text="The member that stands for the feature in lists.",
                on_delete=django.db.models.deletion.PROTECT,
                db_constraint=False,
                related_name="represented_features",
                to="annotation.spectrum",
            ),
        ),
        migrations.AddField(
            model_name="feature",
            name="upload",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                db_constraint=False,
                related_name="features",
                to="annotation.upload",
            ),
        ),
        migrations.AddField(
            model_name="featuremember",
            name="feature",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                db_constraint=False,
                related_name="members",
                to="annotation.feature",
            ),
        ),
        migrations.AddField(
            model_name="featuremember",
            name="spectrum",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                db_constraint=False,
                related_name="membership",
                to="annotation.spectrum",
            ),
        ),
        migrations.AddField(
            model_name="jobitem",
            name="feature",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="job_items",
                to="annotation.feature",
            ),
        ),
        migrations.RunSQL(sql=FEATURES_OF_SPECTRA, reverse_sql=migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="feature",
            name="project",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="features", to="annotation.project"
            ),
        ),
        migrations.AlterField(
            model_name="feature",
            name="representative",
            field=models.ForeignKey(
                help_text="The member that stands for the feature in lists.",
                on_delete=django.db.models.deletion.PROTECT,
                related_name="represented_features",
                to="annotation.spectrum",
            ),
        ),
        migrations.AlterField(
            model_name="feature",
            name="upload",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="features",
                to="annotation.upload",
            ),
        ),
        migrations.AlterField(
            model_name="featuremember",
            name="feature",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="members", to="annotation.feature"
            ),
        ),
        migrations.AlterField(
            model_name="featuremember",
            name="spectrum",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="membership",
                to="annotation.spectrum",
            ),
        ),
        migrations.AddConstraint(
            model_name="feature",
            constraint=models.UniqueConstraint(fields=("upload", "number"), name="one_feature_per_number"),
        ),
        migrations.AlterField(
            model_name="jobitem",
            name="feature",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="job_items", to="annotation.feature"
            ),
        ),
        migrations.AddConstraint(
            model_name="jobitem",
            constraint=models.UniqueConstraint(fields=("job", "feature"), name="one_item_per_feature"),
        ),
        migrations.RunSQL(sql=WRITTEN_ONCE, reverse_sql=UNDO_WRITTEN_ONCE),
    ]
