"""What the search for molecules needs: indexes of words and formulas, and fingerprints as bits.

pg_trgm is not in every PostgreSQL that the server runs on, so names are indexed by their words.
"""

import annotation.libraries.models
import django.db.models.deletion
from django.db import migrations, models

WORDS = """
CREATE FUNCTION annotation_name_words(name text, source_id text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(
        array_remove(regexp_split_to_array(lower(name || ' ' || source_id), '[^[:alnum:]]+'), '')
    )
$$;
CREATE INDEX entry_by_word ON annotation_libraryentry USING gin (annotation_name_words(name, source_id));
"""
UNDO_WORDS = """
DROP INDEX entry_by_word;
DROP FUNCTION annotation_name_words(text, text);
"""
# Bit 0 is the highest bit of the first byte, as in `models_ml.molecules.fingerprint`.
BITS = """
INSERT INTO annotation_moleculebits (molecule_id, bits)
SELECT id, ('x' || encode(fingerprint, 'hex'))::bit(2048) FROM annotation_molecule;
CREATE FUNCTION annotation_add_bits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO annotation_moleculebits (molecule_id, bits)
    SELECT id, ('x' || encode(fingerprint, 'hex'))::bit(2048) FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER molecule_has_bits AFTER INSERT ON annotation_molecule
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION annotation_add_bits();
"""
UNDO_BITS = """
DROP TRIGGER molecule_has_bits ON annotation_molecule;
DROP FUNCTION annotation_add_bits();
"""


class Migration(migrations.Migration):

    dependencies = [
        ("annotation", "0022_library_upload"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="molecule",
            index=models.Index(fields=["formula"], name="molecule_by_formula"),
        ),
        migrations.CreateModel(
            name="MoleculeBits",
            fields=[
                ("molecule", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="bits", serialize=False, to="annotation.molecule")),
                ("bits", annotation.libraries.models.BitsField(help_text="The same bits as in the fingerprint of the molecule.", n_bits=2048)),
            ],
            options={"verbose_name_plural": "molecule bits"},
        ),
        migrations.RunSQL(sql=BITS, reverse_sql=UNDO_BITS),
        migrations.RunSQL(sql=WORDS, reverse_sql=UNDO_WORDS),
    ]
