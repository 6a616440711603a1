"""The papers' frequency studies, each one command that ends in numbers, a figure and a page.

    python -m apr_jax.studies NAME --workdir DIR [--quick]

`study` says what a study is, `names` which there are, `run` how one is run and continued; each
stands in a file of its own. What they ask and what came out is in docs/frequency.md.
"""
