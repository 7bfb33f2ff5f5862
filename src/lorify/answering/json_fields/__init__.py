"""Answers in JSON about documents: the value of each field of the JSON schema is looked up in the documents.

A small base that writes JSON about an adapter's documents gets most values wrong, though it can answer a plain question
about each of them. So a question is asked for each field, and the value found becomes a constant of the schema.
"""

from lorify.answering.json_fields.planner import JsonFieldPlanner

__all__ = ["JsonFieldPlanner"]
