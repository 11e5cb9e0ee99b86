"""Chord loops, in roman numerals: see `training.factory.theory.chord`.

Degrees are those of the major scale whatever the mode, so that minor keys write bIII, bVI, bVII.
"""

from __future__ import annotations

from typing import Final

from training.factory.genres.schema import Progressions

MODAL: Final[Progressions] = {
    "dorian": ("i IV i IV", "i ii bIII IV", "i IV bVII i"),
    "mixolydian": ("I bVII IV I", "I v bVII IV", "I bVII I IV"),
    "lydian": ("I II I II", "I II vi II", "I vii II I"),
    "phrygian": ("i bII i bvii", "i bII bIII bII", "i bvii bII i"),
}

POP: Final[Progressions] = {
    **MODAL,
    "major": (
        "I V vi IV",
        "I vi IV V",
        "I IV vi V",
        "vi IV I V",
        "I iii IV V",
        "I IV I V",
        "IV I V vi",
        "I ii IV V",
    ),
    "minor": (
        "i bVI bIII bVII",
        "i bVII bVI bVII",
        "i iv bVI V",
        "i bIII bVII iv",
        "i v bVI iv",
        "i bVI iv V",
    ),
}

CLASSIC: Final[Progressions] = {
    **MODAL,
    "major": (
        "I IV V I",
        "I vi ii V7 I IV V7 I",
        "I V vi iii IV I ii V7",
        "I ii V7 I",
        "I IV I,V7 I",
        "I V7 I vi ii V7 I V7",
    ),
    "minor": (
        "i iv V7 i",
        "i bVI iv V7",
        "i V7 i iv iiø V7 i V7",
        "i bVII bIII bVI iv i V7 i",
        "i iv bVII bIII bVI iv V V7",
    ),
}

NINTH: Final[Progressions] = {
    "major": (
        "Imaj9 vi7 ii9 V9",
        "IVmaj9 iii7 vi9 ii9",
        "Imaj7 IVmaj9 iii7 vi9",
        "ii9 V13 Imaj9 vi9",
        "IVmaj7 V7 iii7 vi7",
    ),
    "minor": ("i9 iv9 bVImaj7 v7", "iv9 v7 i9 i9", "i9 bVImaj9 bIIImaj7 bVII6", "bVImaj9 v7 i9 i9"),
    "dorian": ("i9 IV9 i9 IV9", "i9 ii7 i9 IV9"),
    "lydian": ("Imaj9 II Imaj9 vii7",),
    "mixolydian": ("I9 IV9 I9 v7",),
    "phrygian": ("i7 bIImaj7 i7 bvii7",),
}

JAZZ: Final[Progressions] = {
    "major": (
        "ii7 V7 Imaj7 vi7",
        "Imaj7,vi7 ii7,V7 iii7,vi7 ii7,V7",
        "ii7 V13 Imaj7 Imaj7 iii7 vi7 ii7 V7",
        "Imaj7 IVmaj7 iii7,VI7 ii7,V7",
    ),
    "minor": ("iiø V7 i7 i7", "i6 iv7 iiø V7", "i7 iv7 bVImaj7,iiø V7", "i9 bVImaj7 iiø V7"),
    "dorian": ("i9 i9 ii7 i9", "i9 IV13 i9 IV13"),
}

BOSSA: Final[Progressions] = {
    "major": (
        "Imaj9 Imaj9 II9 II9 ii9 V13 Imaj9 V13",
        "Imaj7 vi9 ii9 V9",
        "Imaj9 bIImaj7 Imaj9 bIImaj7",
        "Imaj7 iv6 iii7 VI7 ii9 V9 Imaj7 V9",
    ),
    "minor": ("i9 iv9 iiø V7", "i7 bVImaj7 iiø V7", "i9 IV9 bVImaj7 V7"),
}

VAMP: Final[Progressions] = {
    "minor": ("i i i i", "i i bVI bVII", "i i iv i"),
    "phrygian": ("i i i bII", "i bII i bII"),
    "dorian": ("i i i IV", "i IV i IV"),
}

BLUES: Final[Progressions] = {
    "major": ("I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7", "I7 IV7 I7 I7 IV7 IV7 I7 VI7 ii7 V7 I7 V7"),
    "minor": ("i7 i7 i7 i7 iv7 iv7 i7 i7 bVI7 V7 i7 V7",),
}

THREE_CHORDS: Final[Progressions] = {
    "major": ("I I IV I V V I I", "I IV V I", "I V IV I", "I I V V IV IV I V7"),
    "minor": ("i bVII i V", "i i iv i V V i i"),
    "mixolydian": MODAL["mixolydian"],
}

HYMN: Final[Progressions] = {
    "major": (
        "I,V vi,iii IV,I ii,V7",
        "I,IV I,V vi,ii V,I",
        "I,V I,IV I,V7 I",
        "IV,I ii,vi V,V7 I",
    ),
    "minor": ("i,iv i,V7 bVI,bIII iv,V7", "i,bVII bVI,V i,iv V,i"),
    "dorian": ("i,IV i,bVII bIII,IV i",),
}

EPIC: Final[Progressions] = {
    **MODAL,
    "minor": ("i bVI bIII bVII", "i bVI iv V", "i bIII bVII bVI", "i iv bVI V"),
    "major": ("I V vi IV", "I iii IV iv", "vi IV I V"),
}
