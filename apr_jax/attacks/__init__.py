"""Attacks: plain functions that change images so that a network errs, in training and in
evaluation.
"""
