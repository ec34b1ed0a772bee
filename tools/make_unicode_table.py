"""Writes `text/normalization/unicode.json`: what BERT's normaliser does to every code point.

    python tools/make_unicode_table.py            # writes the table, and the compiled models
    python tools/make_unicode_table.py --models   # the models only, from the table in the repo
    python tools/make_unicode_table.py --check    # exits 1 if the table in the repo differs

The models (`normalizers.npz`) are what `tfkit.text.normalization.normalizer` compiles from
the table.

The facts are read off the reference, the Rust library `tokenizers` (`BertNormalizer`,
`BertPreTokenizer`, `NFD`), code point by code point, and off tensorflow-text's WordPiece kernel
(which code points it splits on). tfkit itself needs neither `tokenizers` nor this script, and the
Unicode version of the Python that runs it plays no part, save for the punctuation of the
versions known to it: a code point that any known Unicode version calls punctuation, and the
reference does not, is listed in `disputed`, so that no kernel, old or new, splits on it.
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text
import tokenizers
from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tfkit.text.normalization import normalizer  # noqa: E402
from tfkit.text.normalization.unicode import ranges_of  # noqa: E402

TABLE = ROOT / "tfkit" / "text" / "normalization" / "unicode.json"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
HANGUL = range(0xAC00, 0xAC00 + 11172)


def ranges(code_points) -> list[str]:
    """Sorted "first-last" ranges in hexadecimal."""
    return [f"{a:X}" if a == b else f"{a:X}-{b:X}" for a, b in ranges_of(code_points)]


def mapping(changed: dict[int, str]) -> dict[str, str]:
    return {f"{c:X}": " ".join(f"{ord(x):X}" for x in text) for c, text in sorted(changed.items())}


def normalised(**options) -> dict[int, str]:
    normalise = BertNormalizer(**options).normalize_str
    return {c: text for c in CODE_POINTS if (text := normalise(chr(c))) != chr(c)}


def kernel_splits() -> set[int]:
    """Code points that tensorflow-text's end-to-end WordPiece makes words of their own."""
    pieces = tensorflow_text.FastWordpieceTokenizer(["[UNK]", "a", "b"])
    lengths = pieces.tokenize(tf.constant([f"a{chr(c)}b" for c in CODE_POINTS])).row_lengths()
    return {CODE_POINTS[i] for i in np.flatnonzero(lengths.numpy() == 3)}


def combining_order() -> dict[int, tuple[int, int]]:
    """Code points that NFD reorders -> a rank that sorts as their combining class does.

    The class is found by seeing which marks, one for each class of the oldest Unicode data that
    Python carries, change places with the code point.
    """
    old = unicodedata.ucd_3_2_0
    probes = {}
    for point in CODE_POINTS:
        if old.combining(chr(point)) and not old.decomposition(chr(point)):
            probes.setdefault(old.combining(chr(point)), chr(point))
    probes = [probes[value] for value in sorted(probes)]
    nfd = NFD().normalize_str
    ranks = {}
    for point in CODE_POINTS:
        text = chr(point)
        if nfd(text) != text or (
            nfd(text + probes[0]) == text + probes[0]
            and nfd(probes[-1] + text) == probes[-1] + text
        ):
            continue
        below = sum(nfd(text + probe) != text + probe for probe in probes)
        above = sum(nfd(probe + text) != probe + text for probe in probes)
        ranks[point] = (below, len(probes) - above)
    return ranks


def build() -> dict:
    options = dict(clean_text=True, handle_chinese_chars=False)
    clean = normalised(**options, strip_accents=False, lowercase=False)
    lower = normalised(**options, strip_accents=False, lowercase=True)
    strip = normalised(**options, strip_accents=True, lowercase=False)
    lower = {c: text for c, text in lower.items() if c not in clean}
    strip = {c: text for c, text in strip.items() if c not in clean}
    both = normalised(**options, strip_accents=True, lowercase=True)
    for c in CODE_POINTS:  # what tfkit.text.normalization.normalizer does at run time
        text = clean.get(c, strip.get(c, chr(c)))
        if "".join(lower.get(ord(x), x) for x in text) != both.get(c, chr(c)):
            raise SystemExit(f"U+{c:04X}: lower-casing after stripping is not the reference's.")

    chinese = normalised(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    chinese = {c for c, text in chinese.items() if text == f" {chr(c)} "}
    pieces = BertPreTokenizer().pre_tokenize_str
    punctuation = {c for c in CODE_POINTS if len(pieces(f"a{chr(c)}b")) == 3 and c not in clean}
    splits = kernel_splits()
    known = {
        c
        for c in CODE_POINTS
        if "P" in unicodedata.category(chr(c)) + unicodedata.ucd_3_2_0.category(chr(c))
    }
    reference = punctuation | chinese
    disputed = ((reference ^ splits) | (known - reference)) - set(clean)

    ranks = combining_order()
    nfd = NFD().normalize_str
    for c in CODE_POINTS:  # a mark that is several is sorted as the first of them
        if (first := ord(nfd(chr(c))[0])) in ranks:
            ranks[c] = ranks[first]
    combining = [
        ranges(c for c in ranks if ranks[c] == rank and c not in clean)
        for rank in sorted(set(ranks.values()))
    ]
    return {
        "source": f"tokenizers {tokenizers.__version__}, tensorflow-text "
        f"{tensorflow_text.__version__}; tools/make_unicode_table.py",
        "removed": ranges(c for c, text in clean.items() if text == ""),
        "space": ranges(c for c, text in clean.items() if text == " "),
        "punctuation": ranges(punctuation),
        "chinese": ranges(chinese),
        "disputed": ranges(disputed),
        "stripped": ranges(c for c, text in strip.items() if text == ""),
        "decomposed": mapping({c: s for c, s in strip.items() if s and c not in HANGUL}),
        "lowercase": mapping(lower),
        "combining": combining,
    }


def write_models() -> None:
    tables = {}
    for name, options in normalizer.SHIPPED.items():
        pool, trie = normalizer.compile_tables(options, normalizer.SHIPPED_MARKERS)
        tables |= {f"{name}: pool": pool, f"{name}: trie": trie}
    np.savez_compressed(normalizer.FILE, **tables)
    report(normalizer.FILE)


def report(path: Path) -> None:
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--models", action="store_true", help="write the compiled models only")
    only.add_argument("--check", action="store_true", help="compare the table, write nothing")
    arguments = parser.parse_args()
    if not arguments.models:
        table = build()
    if arguments.check:
        repo = json.loads(TABLE.read_text(encoding="ascii"))
        differing = [key for key in table if key != "source" and table[key] != repo.get(key)]
        print(f"differs in: {', '.join(differing)}" if differing else "equal")
        return 1 if differing else 0
    if not arguments.models:
        TABLE.write_text(json.dumps(table, indent=0) + "\n", encoding="ascii")
        report(TABLE)
    write_models()
    return 0


if __name__ == "__main__":
    sys.exit(main())
