"""XML elements one by one as they end, one held at a time. Refuses document types, and so entities."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from models_ml.spectra.formats.items import WHOLE_FILE, SpectrumIssue, UnreadableFile
from models_ml.spectra.formats.source import Source

Element = etree._Element


def local_name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def stream_elements(
    source: Source, roots: tuple[str, ...], names: tuple[str, ...]
) -> Iterator[Element | SpectrumIssue]:
    """Yield each element of ``names`` when it is complete, then forget it and its like before it.

    Text that is no longer XML ends the stream with one issue of the whole file: what was read stays.
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
            yield element
            _forget(element)
    except etree.XMLSyntaxError as error:
        if source.broken:
            return  # said once, as a file that breaks off
        yield _broken(error, source, ended)


def _refuse_doctype(element: Element, source: Source) -> None:
    if element.getroottree().docinfo.doctype:  # type: ignore[attr-defined]
        raise UnreadableFile(
            "The XML has a document type declaration (DOCTYPE), which no mzML or mzXML file needs",
            source.at("before the first element"),
            "Remove it, or convert the original file again.",
        )


def _forget(element: Element) -> None:
    element.clear()
    parent = element.getparent()
    previous = element.getprevious()
    while parent is not None and previous is not None and previous.tag == element.tag:
        parent.remove(previous)
        previous = element.getprevious()


def _broken(error: etree.XMLSyntaxError, source: Source, ended: bool) -> SpectrumIssue:
    where = source.at(f"line {error.lineno}")
    if ended:
        return SpectrumIssue(
            WHOLE_FILE, where, "repaired", "trailing_bytes", "Bytes stand after the end of the document.",
            "Every spectrum was read; nothing needs to be done.",
        )  # fmt: skip
    return SpectrumIssue(
        WHOLE_FILE, where, "rejected", "broken_xml",
        f"The XML breaks off or is damaged ({error.msg}); what stands before was read.",
        "Copy or convert the file again.",
    )  # fmt: skip
