"""What the report shows: pairs of request and music, and sweeps of the sampler's parameters.

    python -m docs.showcase WORK

makes everything with the commands that a user has, keeps it in the folder WORK, and publishes it
to ``docs``. Stopped at any time, the same command goes on.
"""
