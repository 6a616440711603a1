"""The parts of `python -m apr_jax.sweep`: its runs (`plan`), and the process of each (`process`,
`one_run`).
"""
