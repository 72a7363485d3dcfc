"""Records that the database itself keeps from changing: verdicts, results, raw spectra, ready library versions.

Django's own code paths respect these rules anyway; the triggers hold against scripts, the admin and psql.
"""

from django.db import migrations

REFUSE = """
CREATE FUNCTION annotation_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are never changed: % refused.', TG_TABLE_NAME, TG_OP
        USING HINT = TG_ARGV[0], ERRCODE = 'restrict_violation';
END $$;
"""

# A row trigger for UPDATE and DELETE; TRUNCATE fires only statement triggers.
VERDICTS = """
CREATE TRIGGER verdict_append_only BEFORE UPDATE OR DELETE ON annotation_verdict
    FOR EACH ROW EXECUTE FUNCTION annotation_refuse_change('To change a decision, add another verdict.');
CREATE TRIGGER verdict_no_truncate BEFORE TRUNCATE ON annotation_verdict
    FOR EACH STATEMENT EXECUTE FUNCTION annotation_refuse_change('Verdicts are kept for ever.');
"""

RESULTS = """
CREATE TRIGGER annotation_written_once BEFORE UPDATE ON annotation_annotation
    FOR EACH ROW EXECUTE FUNCTION annotation_refuse_change('Run the spectrum again in a new job.');
CREATE TRIGGER candidate_written_once BEFORE UPDATE ON annotation_candidate
    FOR EACH ROW EXECUTE FUNCTION annotation_refuse_change('Run the spectrum again in a new job.');
CREATE TRIGGER generated_written_once BEFORE UPDATE ON annotation_generatedmolecule
    FOR EACH ROW EXECUTE FUNCTION annotation_refuse_change('Run the spectrum again in a new job.');
"""

SPECTRA = """
CREATE TRIGGER spectrum_written_once BEFORE UPDATE ON annotation_spectrum
    FOR EACH ROW EXECUTE FUNCTION annotation_refuse_change('Upload the corrected file; both stay on record.');
"""

# Two spellings of one rule: a version that is ready has the entries it will always have.
LIBRARIES = """
CREATE FUNCTION annotation_ready_version_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    version_of_row bigint := CASE WHEN TG_OP = 'DELETE' THEN OLD.version_id ELSE NEW.version_id END;
BEGIN
    IF EXISTS (SELECT FROM annotation_libraryversion WHERE id = version_of_row AND state = 'ready')
       OR (TG_OP = 'UPDATE' AND EXISTS (
            SELECT FROM annotation_libraryversion WHERE id = OLD.version_id AND state = 'ready')) THEN
        RAISE EXCEPTION 'Library version % is ready and never changes: % of an entry refused.',
            version_of_row, TG_OP
            USING HINT = 'Import the corrected file as a new version.', ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER entries_fixed_once_ready BEFORE INSERT OR UPDATE OR DELETE ON annotation_libraryentry
    FOR EACH ROW EXECUTE FUNCTION annotation_ready_version_is_fixed();
CREATE TRIGGER version_fixed_once_ready BEFORE UPDATE OR DELETE ON annotation_libraryversion
    FOR EACH ROW WHEN (OLD.state = 'ready')
    EXECUTE FUNCTION annotation_refuse_change('Import the corrected file as a new version.');
"""

UNDO = """
DROP TRIGGER version_fixed_once_ready ON annotation_libraryversion;
DROP TRIGGER entries_fixed_once_ready ON annotation_libraryentry;
DROP TRIGGER spectrum_written_once ON annotation_spectrum;
DROP TRIGGER generated_written_once ON annotation_generatedmolecule;
DROP TRIGGER candidate_written_once ON annotation_candidate;
DROP TRIGGER annotation_written_once ON annotation_annotation;
DROP TRIGGER verdict_no_truncate ON annotation_verdict;
DROP TRIGGER verdict_append_only ON annotation_verdict;
DROP FUNCTION annotation_ready_version_is_fixed();
DROP FUNCTION annotation_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("annotation", "0001_initial")]

    operations = [
        migrations.RunSQL(sql=REFUSE + VERDICTS + RESULTS + SPECTRA + LIBRARIES, reverse_sql=UNDO),
    ]
