"""Accounts beside Django's users, browser sessions, and the audit log, which the database keeps from changing."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


AUDIT = """
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON annotation_auditevent
    FOR EACH ROW EXECUTE FUNCTION annotation_refuse_change('Audit events are kept for ever.');
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON annotation_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION annotation_refuse_change('Audit events are kept for ever.');
"""
UNDO = """
DROP TRIGGER audit_no_truncate ON annotation_auditevent;
DROP TRIGGER audit_append_only ON annotation_auditevent;
"""


class Migration(migrations.Migration):

    dependencies = [
        ("annotation", "0017_exports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Account',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('must_change_password', models.BooleanField(default=False, help_text='The person must choose a new password before anything else.')),
                ('time_zone', models.CharField(default='UTC', help_text='In which pages show times.', max_length=64)),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='account', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_index=True, default=django.utils.timezone.now, editable=False)),
                ('kind', models.CharField(choices=[('signed_in', 'Signed in'), ('sign_in_failed', 'Sign-in failed'), ('sign_in_blocked', 'Sign-in blocked'), ('signed_out', 'Signed out'), ('session_ended', 'Session ended'), ('password_changed', 'Password changed'), ('rights_changed', 'Rights changed'), ('role_given', 'Role given'), ('role_changed', 'Role changed'), ('role_removed', 'Role removed'), ('token_issued', 'Token issued'), ('token_revoked', 'Token revoked'), ('token_used', 'Token used'), ('token_refused', 'Token refused')], editable=False, max_length=20)),
                ('actor', models.CharField(blank=True, editable=False, help_text='Who did it. Empty: a command or nobody known.', max_length=150)),
                ('subject', models.CharField(blank=True, editable=False, help_text='The person or token that it concerns.', max_length=150)),
                ('address', models.CharField(blank=True, editable=False, max_length=45)),
                ('project', models.CharField(blank=True, editable=False, max_length=80)),
                ('detail', models.CharField(blank=True, editable=False, max_length=300)),
            ],
            options={
                'ordering': ['-at', '-pk'],
                'indexes': [models.Index(fields=['subject', '-at'], name='audit_by_subject'), models.Index(fields=['kind', '-at'], name='audit_by_kind')],
            },
        ),
        migrations.CreateModel(
            name='BrowserSession',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('session_key', models.CharField(editable=False, max_length=40, unique=True)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('seen_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('address', models.CharField(blank=True, editable=False, max_length=45)),
                ('browser', models.CharField(blank=True, editable=False, max_length=200)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-seen_at'],
            },
        ),
        migrations.RunSQL(sql=AUDIT, reverse_sql=UNDO),
    ]
