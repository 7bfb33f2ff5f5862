"""Answering: the one path from a question to an answer, for every caller.

A `Query` or a chat becomes an `AnswerRequest` (prompt ids and adapters). `Answerer.plan` decides which adapters are on
and focuses them. `Answerer.answer` and `Answerer.stream` decode.
"""
