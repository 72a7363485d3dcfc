"""Forms of a project's managers: service accounts, their tokens, webhooks."""

from __future__ import annotations

from typing import Any

from django import forms

from annotation.accounts.models import ApiToken, Role
from annotation.accounts.service_accounts import LONGEST_NAME
from annotation.accounts.tokens import LONGEST_OVERLAP, OVERLAP
from annotation.webhooks.models import EventKind, Webhook
from annotation.webhooks.targets import LONGEST_URL

LONGEST_DAYS = 3650


class ServiceAccountForm(forms.Form):
    """A new service account."""

    name = forms.CharField(
        max_length=LONGEST_NAME,
        label="Name",
        help_text="Letters, digits, - and _ only, such as lims-production. It cannot be changed.",
    )
    description = forms.CharField(max_length=300, required=False, label="What it is for")
    role = forms.TypedChoiceField(
        choices=Role.choices,
        coerce=Role,
        initial=Role.SUBMITTER,
        label="Role",
        help_text="The most that its tokens may allow.",
    )


class TokenForm(forms.Form):
    """A new token of a service account, with the scopes that its role includes."""

    name = forms.CharField(
        max_length=100,
        required=False,
        label="Name",
        help_text="The machine that uses it. Empty: the account.",
    )
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        label="Scopes",
        help_text="Choose only what the machine needs. Each scope can be used alone.",
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=LONGEST_DAYS,
        required=False,
        label="Days until it expires",
        help_text="Empty: the default of the server.",
    )

    def __init__(self, scopes: list[ApiToken.Scope], *args: Any, default_days: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["scopes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(scope.value, f"{scope.value}: {scope.label.lower()}") for scope in scopes]
        self.fields["days"].initial = default_days or None


class OverlapForm(forms.Form):
    """How long the old secret still works after a rotation."""

    overlap_hours = forms.IntegerField(
        min_value=0,
        max_value=LONGEST_OVERLAP.days * 24,
        initial=OVERLAP.days * 24,
        label="Hours that the old secret still works",
    )


class WebhookForm(forms.Form):
    """A new webhook, or the changes of a stored one."""

    url = forms.CharField(
        max_length=LONGEST_URL,
        label="Address",
        help_text="It begins with https://. The server does not follow redirects.",
        widget=forms.URLInput,
    )
    events = forms.MultipleChoiceField(
        choices=[
            (value, f"{value}: {label[0].lower()}{label[1:]}") for value, label in EventKind.subscribable()
        ],
        widget=forms.CheckboxSelectMultiple,
        label="Events",
    )
    description = forms.CharField(max_length=200, required=False, label="What it is for")

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookForm:
        return cls(initial={"url": webhook.url, "events": webhook.events, "description": webhook.description})
