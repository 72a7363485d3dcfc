"""The form that takes the file of a library or of a reference collection."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.functional import cached_property

from annotation.accounts.models import Project
from annotation.imports import actions
from annotation.imports.models import VersionImport
from annotation.libraries.models import Library
from annotation.references.models import ReferenceCollection
from annotation.spectra.models import PartialUpload
from annotation.spectra.partial import CannotStore, PartGone, WrongOffset
from annotation.web import scope
from models_ml.spectra.formats.supported import SUPPORTED

SHARED = ""  # the value of the owner "all projects"
FORMATS = {
    VersionImport.Kind.LIBRARY: "SMILES, CSV, TSV or SDF, also packed with gzip.",
    VersionImport.Kind.REFERENCES: f"{SUPPORTED}. Each needs peaks, precursor m/z, adduct and structure.",
}


class ImportForm(forms.Form):
    """A file with what must be stated of it. With scripts, the file has arrived in parts before."""

    owner = forms.ChoiceField(required=False, label="For whom")
    name = forms.CharField(
        max_length=120, label="Name", help_text="An existing name gets a new version. Old versions stay."
    )
    license = forms.CharField(
        max_length=200, label="Licence", help_text="Such as CC BY 4.0. Pages, exports and reports show it."
    )
    source = forms.CharField(
        max_length=500, label="Source", help_text="Where the file comes from: an address, a DOI or an author."
    )
    description = forms.CharField(
        required=False, max_length=1000, label="Description", help_text="Of a new library. Optional."
    )
    file = forms.FileField(required=False, label="File")
    part = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, kind: VersionImport.Kind, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.user = kind, user
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ChoiceField)
        shared = [(SHARED, "All projects")] if user.is_superuser else []
        owner.choices = [*((str(project.pk), str(project)) for project in self.projects), *shared]
        self.fields["name"].widget.attrs |= {"list": "known-names", "autocomplete": "off"}
        self.fields["license"].widget.attrs |= {"list": "known-licences"}
        limit = filesizeformat(settings.GLMR_MAX_UPLOAD_BYTES)
        self.fields["file"].help_text = f"{FORMATS[kind]} Up to {limit}."

    @cached_property
    def projects(self) -> list[Project]:
        return list(actions.owners(self.user))

    @property
    def known_names(self) -> list[str]:
        """Names of libraries or collections that the person may add a version to. One query."""
        is_library = self.kind == VersionImport.Kind.LIBRARY
        rows = Library.objects if is_library else ReferenceCollection.objects.filter(is_accepted=False)
        mine = rows.usable_in(actions.owners(self.user))
        if not self.user.is_superuser:
            mine = mine.exclude(project=None)
        return list(mine.order_by("name").values_list("name", flat=True))

    def clean_owner(self) -> Project | None:
        key = self.cleaned_data["owner"]
        if key == SHARED:
            if not self.user.is_superuser:
                raise forms.ValidationError("Choose one of your projects.")
            return None
        return next(project for project in self.projects if str(project.pk) == key)

    def clean_part(self) -> PartialUpload | None:
        public_id: UUID | None = self.cleaned_data["part"]
        if public_id is None:
            return None
        part = scope.parts(self.user).filter(public_id=public_id).first()
        if part is None:
            raise forms.ValidationError("The uploaded file is gone. Choose it again.")
        return part

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        file: UploadedFile[Any] | None = data.get("file")
        if "file" not in self.errors and "part" not in self.errors and not (file or data.get("part")):
            self.add_error("file", "Choose a file.")
        limit = settings.GLMR_MAX_UPLOAD_BYTES
        if file and file.size and file.size > limit:
            self.add_error("file", f"The file is larger than {filesizeformat(limit)}. Pack it with gzip.")
        return data

    def request_import(self) -> VersionImport | None:
        """The import of a valid form. None, with the reason at its field, if it is refused."""
        data = self.cleaned_data
        part: PartialUpload | None = data["part"]
        try:
            return actions.request_import(
                kind=self.kind,
                name=data["name"],
                project=data["owner"],
                user=self.user,
                store=actions.from_part(part) if part else actions.from_file(data["file"]),
                file_name=part.file_name if part else data["file"].name,
                license=data["license"],
                source=data["source"],
                description=data["description"],
            )
        except actions.CannotRequest as refusal:
            self.add_error(refusal.field, refusal.reason)
        except PartGone:
            self.add_error("file", "The uploaded file is gone. Choose it again.")
        except (CannotStore, WrongOffset) as problem:
            self.add_error("file", str(problem))
        return None
