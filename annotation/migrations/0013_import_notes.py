from django.db import migrations, models

NOTES = models.Value([], models.JSONField())


class Migration(migrations.Migration):
    dependencies = [("annotation", "0012_features")]

    operations = [
        migrations.AddField(
            model_name="libraryversion",
            name="import_notes",
            field=models.JSONField(
                db_default=NOTES,
                default=list,
                help_text="What the import changed or assumed in rows that it used, by kind (import_notes.py).",
            ),
        ),
        migrations.AddField(
            model_name="referenceversion",
            name="import_notes",
            field=models.JSONField(
                db_default=NOTES,
                default=list,
                help_text="What the import changed or assumed in spectra that it used, by kind.",
            ),
        ),
    ]
