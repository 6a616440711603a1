"""Results of several runs beside each other and beside the published numbers.

`scores` reads what an evaluation wrote, `table` makes rows of it and writes them as Markdown or
CSV.
"""
