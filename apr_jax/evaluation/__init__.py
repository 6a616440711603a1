"""Evaluation of a trained run: one file per evaluator behind the interface of `suite`, joined by
`runner`.
"""
