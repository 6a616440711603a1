"""Many runs and the table of them: which they are (`plan`), all of them (`run_all`), the process of
each (`process`), and what that process does (`one_run`).
"""
