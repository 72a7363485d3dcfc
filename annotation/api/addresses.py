"""Absolute addresses of the resources in the REST interface."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.reverse import reverse


def address(request: Request, name: str, *arguments: object) -> str:
    """The address of the route `name`, such as `api:job`."""
    return reverse(name, args=arguments, request=request)
