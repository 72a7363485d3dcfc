"""Streams XML elements and holds one at a time. Refuses document types, and thus entities."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from models_ml.spectra.formats.items import WHOLE_FILE, SpectrumIssue
from models_ml.spectra.formats.source import Source
from models_ml.unreadable import UnreadableFile

Element = etree._Element


def local_name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def stream_elements(
    source: Source, roots: tuple[str, ...], names: tuple[str, ...]
) -> Iterator[Element | SpectrumIssue]:
    """Yield each complete element of ``names``, then remove it from memory.

    Invalid XML ends the stream with one issue of the file. Elements before it were yielded.
    """
    events = etree.iterparse(
        source.stream,
        events=("start", "end"),
        tag=[f"{{*}}{name}" for name in (*roots, *names)],
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    checked = ended = False
    count = 0
    try:
        for event, element in events:
            if not checked:
                _refuse_doctype(element, source)
                checked = True
            name = local_name(element)
            if event == "start":
                continue
            if name in roots:
                ended = name == roots[0] or element.getparent() is None
                continue
            count += name in ("spectrum", "scan")
            yield element
            _forget(element)
    except etree.XMLSyntaxError as error:
        if source.broken:
            return  # reported once, as damaged compressed data
        yield _broken(error, source, ended, count)


def _refuse_doctype(element: Element, source: Source) -> None:
    if element.getroottree().docinfo.doctype:  # type: ignore[attr-defined]
        raise UnreadableFile(
            "The XML has a document type declaration (DOCTYPE), which no mzML or mzXML file needs",
            source.at("before the first element"),
            "Remove it, or convert the original file again.",
        )


def _forget(element: Element) -> None:
    """Free the memory of the element and of its predecessors of the same name."""
    element.clear()
    parent = element.getparent()
    previous = element.getprevious()
    while parent is not None and previous is not None and previous.tag == element.tag:
        parent.remove(previous)
        previous = element.getprevious()


def _broken(error: etree.XMLSyntaxError, source: Source, ended: bool, count: int) -> SpectrumIssue:
    where = source.at(f"line {error.lineno}")
    if ended:
        remedy = (
            f"No action needed: the document before them is complete, with {count:,} spectra."
            if count
            else "Check the export: the document before them holds no spectra."
        )
        return SpectrumIssue(
            WHOLE_FILE, where, "repaired", "trailing_bytes", "There are bytes after the end of the document.",
            remedy,
        )  # fmt: skip
    return SpectrumIssue(
        WHOLE_FILE, where, "rejected", "broken_xml",
        f"The XML is cut off or damaged ({error.msg}). Spectra after the damage are missing.",
        "Copy or convert the file again.",
    )  # fmt: skip
