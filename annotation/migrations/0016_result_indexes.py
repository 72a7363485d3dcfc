"""What keeps the table of a large job quick: columns that were computed before, indexes, and patterns of molecules.

All columns are nullable, so that no row is rewritten.
"""

import annotation.libraries.models
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("annotation", "0015_submission"),
    ]

    operations = [
        migrations.CreateModel(
            name='MoleculePattern',
            fields=[
                ('molecule', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='pattern', serialize=False, to='annotation.molecule')),
                ('bits', annotation.libraries.models.BitsField(help_text='RDKit pattern fingerprint: a substructure has a subset of the bits.', n_bits=1024)),
                ('structure', models.BinaryField(help_text="RDKit's binary form, which is read faster than SMILES.")),
            ],
        ),
        migrations.AddField(
            model_name='annotation',
            name='best_reference',
            field=models.ForeignKey(help_text='The most similar reference spectrum with the precursor.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='annotation.referencespectrum'),
        ),
        migrations.AddField(
            model_name='annotation',
            name='reference_disagreement',
            field=models.FloatField(help_text='Similarity of the best reference spectrum of any other molecule minus that of the best one of rank 1; 0 where there is none. Above 0, the references support another molecule.', null=True),
        ),
        migrations.AddField(
            model_name='annotation',
            name='reference_similarity',
            field=models.FloatField(help_text='Its similarity, from 0 to 1.', null=True),
        ),
        migrations.AddIndex(
            model_name='annotation',
            index=models.Index(fields=['job', 'p_right'], name='annotation_by_right'),
        ),
        migrations.AddIndex(
            model_name='annotation',
            index=models.Index(fields=['job', 'top_molecule'], name='annotation_by_molecule'),
        ),
    ]
