"""Questions about the header of a mail."""

import pytest

from lorify.answering.quotes.headers import find_header

MAIL = """From: Ada Holm <ada@mill.example>
To: Bert Ost <bert@mill.example>
Subject: Re: The new wheel
Date: Mon, 2 Mar 2026 08:15:00 +0100

Hi Bert,
Subject: to change."""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who sent the email?", "Ada Holm <ada@mill.example>"),
        ("Who is the e-mail from?", "Ada Holm <ada@mill.example>"),
        ("Who is the message to?", "Bert Ost <bert@mill.example>"),
        ("What is the subject?", "Re: The new wheel"),
        ("what is the subject of the mail", "Re: The new wheel"),
        ("What is the sender email?", "Ada Holm <ada@mill.example>"),
        ("What is the recipient's address?", "Bert Ost <bert@mill.example>"),
        ("When was it sent?", "Mon, 2 Mar 2026 08:15:00 +0100"),
        ("When was the email sent?", "Mon, 2 Mar 2026 08:15:00 +0100"),
    ],
)
def test_the_line_of_the_header_is_the_answer(question, answer):
    found = find_header(question, MAIL)
    assert found is not None and found.text == answer


@pytest.mark.parametrize(
    "question", ["What is the subject of the lecture?", "Who sent the wheel?", "Who is in copy?", ""]
)
def test_other_questions_and_missing_lines_have_no_answer_there(question):
    assert find_header(question, MAIL) is None


def test_a_text_without_a_header_is_no_mail():
    assert find_header("What is the subject?", "Subject: Latin\nRoom: 4") is None
