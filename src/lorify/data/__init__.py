"""Training and evaluation data: contexts with questions, and tasks with instances.

`facts`, `sources`, `self_generated` and `cloze` provide contexts with questions (`examples`); `tasks` provides tasks.
Tables of words and phrases are TOML files in folders named `tables`.
"""
