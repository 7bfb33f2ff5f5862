"""Families of generated tasks.

`fixed` families make up the suite: each has a fixed number of tasks, and whole families are held out for evaluation.
`drawn` families generate any number of training tasks, with new marks, words, names and labels in every task. To add a
family, add a file to `fixed` or `drawn` and a line to `registry`; longer word tables go to `tables`.
"""
