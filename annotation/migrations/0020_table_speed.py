"""An index for pages of results in the order of submission."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("annotation", "0019_accounts"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="jobitem",
            index=models.Index(fields=["job", "position"], name="item_by_position"),
        ),
    ]
