import email.policy
from email.message import EmailMessage

import pytest
from contexts.formats.builders import msg

from lorify.contexts.documents import document_from_bytes


def read(message: EmailMessage | bytes) -> str:
    data = message if isinstance(message, bytes) else message.as_bytes(policy=email.policy.SMTP)
    return document_from_bytes(data, "a.eml", ".eml", 1 << 24).text


def mail(text: str, **options: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ann <ann@osby.example>", "bob@osby.example", "Größe"
    message["Message-ID"] = "<1@osby.example>"
    message.set_content(text, **options)
    return message


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64", "8bit"])
def test_encoded_texts_are_decoded(encoding):
    found = read(mail("Die Größe beträgt 25 m.", cte=encoding))
    assert found == "From: Ann <ann@osby.example>\nTo: bob@osby.example\nSubject: Größe\n\nDie Größe beträgt 25 m."


def test_attachments_are_named():
    message = mail("See the plan.")
    message.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="plan für Osby.pdf")
    message.add_attachment("a;b", filename="prices.csv")
    assert read(message).endswith("See the plan.\n\nAttachments: plan für Osby.pdf, prices.csv")


def test_a_message_of_html_alone_is_read():
    found = read(mail("<p>The pool is <b>closed</b>.</p>", subtype="html"))
    assert found.endswith("The pool is **closed**.")


def test_the_plain_form_is_preferred():
    message = mail("The pool is closed.")
    message.add_alternative("<p>The pool is <b>closed</b>.</p>", subtype="html")
    assert read(message).endswith("The pool is closed.") and "<b>" not in read(message)


def test_a_forwarded_message_is_read():
    message = mail("See below.")
    message.add_attachment(mail("The deputy is Kasimir Blau."))
    found = read(message)
    assert "See below." in found and "The deputy is Kasimir Blau." in found and "Attached message:" in found


def test_a_saved_web_page_is_read():
    page = (
        b"From: <Saved by Blink>\r\nSubject: Osby\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/related; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n'
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"<html><body><p>The pool is 25=C2=A0m long.</p></body></html>\r\n--b--\r\n"
    )
    assert "The pool is 25" in read(page) and "=C2" not in read(page)


def test_an_unknown_charset_does_not_matter():
    data = (
        b"From: a@b.example\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n\nGr\xf6\xdfe: 25 m\n"
    )
    assert read(data).endswith("Größe: 25 m")


OUTLOOK = {
    "0037": "Größe der Becken",
    "0C1F": "ann@osby.example",
    "0E04": "bob@osby.example",
    "1000": "Das Becken ist 25 m lang.",
}


@pytest.mark.parametrize("name", ["a.msg", "a", "a.doc"])
def test_a_message_of_outlook_is_read(name):
    found = document_from_bytes(msg(OUTLOOK), name, name[1:], 1 << 24).text
    assert all(text in found for text in OUTLOOK.values())


def test_attachments_of_outlook_are_named():
    data = msg(OUTLOOK, ["plan für Osby.pdf", "prices.csv"])
    found = document_from_bytes(data, "a.msg", ".msg", 1 << 24).text
    assert found.endswith("Attachments: plan für Osby.pdf, prices.csv")


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("=?utf-8?B?R3LDtsOfZQ==?=", "Größe"),
        ("=?iso-8859-1?Q?Gr=F6=DFe?=", "Größe"),
        ("a long\r\n line", "a long line"),
    ],
)
def test_headers_are_decoded(subject, shown):
    data = f"From: a@b.example\r\nMIME-Version: 1.0\r\nSubject: {subject}\r\n\r\nText.\r\n".encode()
    assert f"Subject: {shown}" in read(data)


def test_inline_pictures_and_invitations_are_named():
    message = mail("See you.")
    message.add_attachment(b"BEGIN:VCALENDAR", maintype="text", subtype="calendar", filename="visit.ics")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="logo.png", disposition="inline")
    assert read(message).endswith("See you.\n\nAttachments: visit.ics, logo.png")
