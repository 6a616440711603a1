"""Evaluation of any classifier: one file per evaluator behind the interface of `evaluator`, named
in `suites` and run by `runner`.
"""
