"""The data factory: unlimited captioned music, composed by rules and rendered from a soundfont.

A seed determines a piece to the last bit of its score and captions. Data flow:

    wishes -> `character` -> `form` and `cast` -> `parts` -> `performance` -> `score`
        -> `render` (with notes of the `bank`) -> audio
        -> `attributes` -> `captions`

`dataset` makes training data of it; ``python -m training.factory`` makes clips to listen to.
The order of random draws is part of the format: change it, and every seed means another piece.
"""
