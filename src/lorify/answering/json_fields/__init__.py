"""Answers in JSON about documents: what the documents say is found for each field of a JSON schema by itself.

A small base that writes JSON about an adapter's documents gets most values wrong, though it answers a plain question
about each of them. So each field is asked for, and what is found becomes a constant of the schema.
"""

from lorify.answering.json_fields.planner import JsonFieldPlanner

__all__ = ["JsonFieldPlanner"]
