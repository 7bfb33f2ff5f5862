"""Generated documents full of invented facts, with questions.

`plan` draws entities and facts, `sentences` and `layouts` write the document, `generate` adds questions. The phrases
are in `tables`: a new kind of entity is one file in `tables/entity_kinds` and one line in `kinds.ENTITY_KIND_NAMES`.
"""
