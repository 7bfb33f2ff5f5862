"""E-mails (eml, msg): sender, recipients, date and subject, the text, and the names of attachments."""

from __future__ import annotations

import email
import email.policy
import io
import re
from email.message import EmailMessage, MIMEPart
from typing import cast

from lorify.contexts.formats.decoding import decode
from lorify.contexts.formats.source import FileContent
from lorify.contexts.formats.web import convert, html_to_markdown

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_MAX_DEPTH = 5
_LONG_NAME, _SHORT_NAME = "3707001F", "3704001F"
"""Properties of an attachment in Outlook's format: its long and its short (8.3) file name."""
_FIRST_LINES = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n){2}")
_MAIL_HEADER = re.compile(
    rb"^(?:Received|Message-ID|MIME-Version|Return-Path|Delivered-To|Content-Transfer-Encoding|X-Mailer):", re.I | re.M
)


def looks_like_mail(data: bytes) -> bool:
    """Return whether a text begins with the header of an e-mail or of a saved web page (MHTML)."""
    start = data[:20_000].lstrip().replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n"
    return _FIRST_LINES.match(start) is not None and _MAIL_HEADER.search(start) is not None


def read_eml(source: FileContent) -> str:
    """Read an e-mail in internet message format."""
    message = email.message_from_bytes(source.data.lstrip(), policy=email.policy.default)
    return _write(cast(EmailMessage, message), source.name, depth=0)


def read_msg(source: FileContent) -> str:
    """Read an e-mail saved by Outlook."""
    import olefile

    text = convert(source, "OutlookMsgConverter", ".msg")
    with olefile.OleFileIO(io.BytesIO(source.data)) as file:
        names = {path[0]: path for path in file.listdir() if path[0].startswith("__attach")}
        attachments = [name for folder in sorted(names) if (name := _attachment_name(file, folder))]
    return text + _list_attachments(attachments)


def _attachment_name(file: object, folder: str) -> str:
    for number in (_LONG_NAME, _SHORT_NAME):
        path = f"{folder}/__substg1.0_{number}"
        if file.exists(path):  # type: ignore[attr-defined]
            return file.openstream(path).read().decode("utf-16-le", errors="replace").rstrip("\0")  # type: ignore[attr-defined]
    return ""


def _write(message: EmailMessage, name: str, depth: int) -> str:
    headers = [f"{header}: {message[header]}" for header in _HEADERS if message[header]]
    texts, attachments = [], []
    body = message.get_body(("plain", "html"))
    if body is not None:
        texts.append(_content(body, name))
    for part in message.walk():
        filename = part.get_filename()
        if filename:
            attachments.append(filename)
        if part is not message and part.get_content_type() == "message/rfc822" and depth < _MAX_DEPTH:
            inner = cast(list[EmailMessage], part.get_payload())
            texts += [f"Attached message:\n\n{_write(each, name, depth + 1)}" for each in inner]
            break
    return "\n\n".join(["\n".join(headers), *texts]) + _list_attachments(attachments)


def _content(part: MIMEPart, name: str) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        text = data.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        text = decode(data, name)
    return html_to_markdown(text) if part.get_content_type() == "text/html" else text


def _list_attachments(names: list[str]) -> str:
    return f"\n\nAttachments: {', '.join(names)}" if names else ""
