"""Families of generated tasks.

`fixed` families make up the suite: each has a fixed number of tasks, and whole families are held out for evaluation.
`drawn` families give any number of training tasks, whose marks, words, names and labels are new in every task. A new
family is one new file in `fixed` or `drawn` and one line in `registry`; longer word tables go to `tables`.
"""
