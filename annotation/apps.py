"""The Django app with all records, pages and interfaces."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    name = "annotation"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Annotation"

    def ready(self) -> None:
        from annotation.accounts import receivers  # noqa: F401, connects the signals
