"""What people add to a PDF: values of form fields (with their names), texts typed on a page, and comments."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

import pypdfium2.raw as pdfium
from pypdfium2 import PdfDocument, PdfPage

_VALUED = (pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX)
_CHECKED = (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON)
_COMMENTS = (
    pdfium.FPDF_ANNOT_TEXT,
    pdfium.FPDF_ANNOT_HIGHLIGHT,
    pdfium.FPDF_ANNOT_UNDERLINE,
    pdfium.FPDF_ANNOT_STRIKEOUT,
)
_MAX_FIELDS = 2_000


def form_lines(document: PdfDocument, page: PdfPage, shown: str) -> list[str]:
    """Return the filled-in fields of a page as `name: value`, then added texts and comments.

    Args:
        document: the document, with its form environment loaded if it has forms.
        page: the page.
        shown: text of the page; values that already appear in it are left out.
    """
    fields = [] if document.formenv is None else list(_fields(document, page))
    flat = "".join(shown.split())
    return [
        f"{name}: {value}" if name else value
        for name, value in [*fields, *_added_texts(page)]
        if "".join(value.split()) not in flat
    ]


def _fields(document: PdfDocument, page: PdfPage) -> Iterator[tuple[str, str]]:
    form = document.formenv
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _MAX_FIELDS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        try:
            kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
            name = _text(pdfium.FPDFAnnot_GetFormFieldAlternateName, form, annotation)
            name = name or _text(pdfium.FPDFAnnot_GetFormFieldName, form, annotation)
            if kind in _VALUED:
                value = _text(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation)
            elif kind in _CHECKED and pdfium.FPDFAnnot_IsChecked(form, annotation):
                value = _text(pdfium.FPDFAnnot_GetFormFieldExportValue, form, annotation) or "yes"
            else:
                value = ""
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
        if value.strip():
            yield name.strip() or "field", value.strip()


def _added_texts(page: PdfPage) -> Iterator[tuple[str, str]]:
    """Yield the texts typed on a page, and comments with their authors."""
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _MAX_FIELDS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        try:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            if kind not in (pdfium.FPDF_ANNOT_FREETEXT, *_COMMENTS):
                continue
            value = _text(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents").strip()
            author = _text(pdfium.FPDFAnnot_GetStringValue, annotation, b"T").strip() or "a reader"
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
        if value:
            yield f"Comment by {author}" if kind in _COMMENTS else "", value


def _text(function: Callable[..., int], *arguments: object) -> str:
    """Call a pdfium function that writes UTF-16 text, first to get the length, then the text."""
    num_bytes = function(*arguments, None, 0)
    if num_bytes <= 2:
        return ""
    buffer = ctypes.create_string_buffer(num_bytes)
    function(*arguments, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), num_bytes)
    return buffer.raw[:num_bytes].decode("utf-16-le", errors="replace").rstrip("\0")
