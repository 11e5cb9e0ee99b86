"""Packages that can't live in our environment, each in one of its own behind a small worker.

frechet-audio-distance, audiocraft and stable-audio-tools pin what nobody else can use. So each
has a virtual environment in the cache, made by ``audio-chain backends install NAME``, and a
process that is started on demand and spoken to in JSON lines (`serve`).

An environment takes from ours what ours has (torch, NumPy, transformers ...) and adds only what
is missing: a path file puts our site-packages behind its own. Measured beside an environment with
everything of its own, that is 7 MB instead of 1.4 GB for frechet-audio-distance, and 3 s instead
of a minute; and the worker runs on the torch build, CPU or GPU, that was chosen here. The
price is that an environment must be made again when torch or NumPy is replaced. That is noticed.

Nothing is imported here: workers import this package too, before anything else.
"""
