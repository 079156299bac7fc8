"""The reader `table`: the same rows from every format, and a clear line for each file that cannot be read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tests.tasks.reading import all_rows, read_all, task

pytestmark = pytest.mark.backend("torch")

#: Texts that a careless reader changes: quotes, separators, line ends, numbers, dates, booleans, blanks, nulls by name.
ROWS = [
    ('he said "no", twice', "yes"),
    ("one\nbreak", "no"),
    ("3.0", "yes"),
    ("2001-01-01", "no"),
    ("true", "yes"),
    (" blank ends ", "no"),
    ("caf\u00e9 \u4f60\u597d", "yes"),
    ("NA", "no"),
]

#: Labels that a reader which looks for numbers, truth values or dates would change.
CODES = [
    ("a", "01"),
    ("b", "02"),
    ("c", "10"),
    ("d", "1.0"),
    ("e", "True"),
    ("f", "2001-01-01"),
    ("g", "1e3"),
    ("h", "NA"),
]

#: What a TSV without quotes can hold.
PLAIN = [
    ('"opened, never closed', "yes"),
    ('a lone " quote', "yes"),
    ('another " one', "no"),
    ("a, b", "yes"),
    ("'c'", "no"),
]

#: Two megabytes, more than the reader takes at once, almost all of it line ends inside quotes.
LONG = [(f"text {row}\n" + "line\n" * 800, "yes" if row % 2 else "no") for row in range(500)]


#: A row of JSON lines, and values within each other that end the process of a reader without a bound.
LINE = '{"text": "a", "label": "x"}\n'
DEEP = {
    "lists": "[" * 100_000 + "]" * 100_000,
    "objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "open": "[" * 100_000,
}

#: Brackets that nest nothing, behind all that ends a text or seems to.
BRACKETS = [{"text": text + "[{" * 300, "label": label} for text, label in (("a", "x"), ('"', "y"), ('b\\"', "x"))]


def write_csv(path: Path, rows: list[tuple[Any, ...]], header: tuple[str, ...], delimiter: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)


def write_jsonl(path: Path, rows: list[tuple[Any, ...]], header: tuple[str, ...]) -> None:
    lines = [json.dumps(dict(zip(header, row, strict=True))) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_parquet(path: Path, rows: list[tuple[Any, ...]], header: tuple[str, ...]) -> None:
    columns = {name: list(column) for name, column in zip(header, zip(*rows, strict=True), strict=True)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def half_damaged(path: Path) -> None:
    """Turn over the bytes of a Parquet file's data, but not its footer, which the reader opens first."""
    content = bytearray(path.read_bytes())
    for place in range(8, 60):
        content[place] ^= 0xFF
    path.write_bytes(content)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base = tmp_path_factory.mktemp("table")
    header = ("text", "label")
    held = task("table", held_out=2)

    def place(name: str) -> Path:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        return base / name

    def text(name: str, content: str | bytes) -> Path:
        place(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return base / name

    write_csv(place("a.csv"), ROWS, header)
    write_csv(place("long.csv"), LONG, header)
    write_csv(place("quoted.tsv"), ROWS, header, "\t")
    write_jsonl(place("a.jsonl"), ROWS, header)
    write_jsonl(place("a.json"), ROWS, header)
    write_parquet(place("a.parquet"), ROWS, header)
    plain_tsv = text("plain.tsv", "text\tlabel\n" + "".join(f"{row}\t{label}\n" for row, label in PLAIN))

    write_csv(place("folder/train.csv"), ROWS[:4], header)
    write_csv(place("folder/test.csv"), ROWS[4:], header)
    for shard in range(3):
        write_parquet(place(f"shards/data/train-0000{shard}-of-00003.parquet"), ROWS[2 * shard : 2 * shard + 2], header)
    write_parquet(place("shards/data/test-00000-of-00001.parquet"), ROWS[6:], header)

    pairs = [("a", "b", "1", "x"), ("c", "d", "0", "y")]
    write_csv(place("pairs.csv"), pairs, ("premise", "hypothesis", "text", "label"))
    renamed = {"text": "premise", "text_pair": "hypothesis", "label": "text"}
    write_csv(place("sentence.csv"), ROWS, ("sentence", "labels"))
    write_parquet(place("damaged.parquet"), ROWS * 50, header)
    half_damaged(base / "damaged.parquet")
    whole = (base / "a.parquet").read_bytes()
    write_csv(place("codes.csv"), CODES, header)
    write_csv(place("codes.tsv"), CODES, header, "\t")
    write_jsonl(place("codes.jsonl"), CODES, header)
    write_parquet(place("codes.parquet"), CODES, header)

    return read_all(
        {
            **{name: (base / name, held) for name in ("a.csv", "a.jsonl", "a.json", "a.parquet")},
            **{f"codes.{kind}": (base / f"codes.{kind}", held) for kind in ("csv", "tsv", "jsonl", "parquet")},
            "quoted.tsv": (base / "quoted.tsv", task("table", held_out=2, options={"quoted": True})),
            "long.csv": (base / "long.csv", held),
            "plain.tsv": (plain_tsv, held),
            "folder": (base / "folder", task("table", evaluation="test")),
            "file names": (base / "folder", task("table", train="test.csv", evaluation="train.csv")),
            "file beside": (base / "folder" / "train.csv", task("table", evaluation="test.csv")),
            "shards": (base / "shards", task("table", evaluation="test")),
            "pairs": (base / "pairs.csv", task("table", held_out=1, **renamed)),
            "missing text": (base / "sentence.csv", task("table", held_out=2, text="sentense", label="labels")),
            "missing label": (base / "sentence.csv", task("table", held_out=2, text="sentence")),
            "missing pair": (base / "a.csv", task("table", held_out=2, text_pair="txt")),
            "empty": (text("empty.csv", ""), held),
            "ragged": (text("ragged.csv", "text,label\na,b\nc,d,e\n"), held),
            "twice": (text("twice.csv", "text,text,label\na,b,c\nd,e,f\n"), held),
            "latin 1": (text("latin.csv", "text,label\ncaf\u00e9,x\nb,y\n".encode("latin-1")), held),
            "latin 1 json": (text("latin.jsonl", '{"text": "caf\u00e9", "label": "x"}\n'.encode("latin-1")), held),
            "utf 16": (text("utf16.csv", "text,label\na,x\nb,y\n".encode("utf-16")), held),
            "utf 16 unmarked": (text("bare.csv", "text,label\na,x\nb,y\n".encode("utf-16-le")), held),
            "long row": (text("row.csv", f"text,label\n{'a' * 3_000_000},x\n{'b' * 3_000_000},y\nc,x\n"), held),
            "open quote": (text("open.csv", 'text,label\n"a,x\n' + "b,y\n" * 1_000_000), held),
            "digits": (text("digits.jsonl", f'{LINE}{LINE}{{"text": "a", "label": {"9" * 5000}}}\n'), held),
            "list": (text("list.json", f"[{LINE.strip()}]"), held),
            "no object": (text("words.jsonl", f'{LINE}"b"\n'), held),
            **{
                f"deep {name}": (text(f"deep_{name}.jsonl", f'{LINE}{{"text": "a", "label": {value}}}\n'), held)
                for name, value in DEEP.items()
            },
            "deep behind": (text("behind.jsonl", "]" * 2_000_000 + "\n" + "[" * 100_000), held),
            "brackets": (text("brackets.jsonl", "".join(f"{json.dumps(row)}\n" for row in BRACKETS)), held),
            "no json": (text("no.jsonl", '{"text": "a", "label"\n'), held),
            "no parquet": (text("no.parquet", "text,label\n"), held),
            "cut parquet": (text("cut.parquet", whole[: len(whole) // 2]), held),
            "damaged parquet": (base / "damaged.parquet", held),
            "another format": (text("a.xlsx", "text,label\na,b\n"), held),
            "absent": (base / "absent.csv", held),
            "absent split": (base / "folder", task("table", train="trian", evaluation="test")),
            "nothing held out": (base / "a.csv", task("table")),
            "all held out": (base / "a.csv", task("table", held_out=len(ROWS))),
            "no source": (None, held),
            **{f"origin.{kind}": (base / f"a.{kind}", held) for kind in ("csv", "jsonl", "parquet")},
        }
    )


@pytest.mark.parametrize("name", ["a.csv", "quoted.tsv", "a.jsonl", "a.json", "a.parquet"])
def test_every_format_gives_the_same_rows_unchanged(outcomes, name):
    assert all_rows(outcomes[name]) == sorted(ROWS, key=repr)


@pytest.mark.parametrize("name", ["codes.csv", "codes.tsv", "codes.jsonl", "codes.parquet"])
def test_labels_are_text_in_every_format(outcomes, name):
    assert all_rows(outcomes[name]) == CODES


@pytest.mark.parametrize(("kind", "first"), [("csv", 2), ("jsonl", 1), ("parquet", 1)])
def test_each_row_tells_where_in_the_file_it_stands_whatever_the_shuffling(outcomes, kind, first):
    found = outcomes[f"origin.{kind}"]
    places = {
        text: origin for split in found.values() for text, origin in zip(split["text"], split["origin"], strict=True)
    }
    assert places == {text: f"a.{kind}, row {row}" for row, (text, _) in enumerate(ROWS, start=first)}


def test_a_quoted_text_may_hold_any_number_of_lines(outcomes):
    assert all_rows(outcomes["long.csv"]) == sorted(LONG, key=repr)


def test_a_text_may_be_long(outcomes):
    assert sorted(len(text) for text, _ in all_rows(outcomes["long row"])) == [1, 3_000_000, 3_000_000]


def test_brackets_of_a_text_nest_nothing(outcomes):
    assert all_rows(outcomes["brackets"]) == sorted(((row["text"], row["label"]) for row in BRACKETS), key=repr)


def test_a_lone_quote_of_a_tsv_swallows_nothing(outcomes):
    assert all_rows(outcomes["plain.tsv"]) == sorted(PLAIN, key=repr)


@pytest.mark.parametrize("case", ["folder", "file beside"])
def test_each_split_is_read_from_its_file(outcomes, case):
    assert outcomes[case]["train"]["text"] == [text for text, _ in ROWS[:4]]
    assert sorted(outcomes[case]["evaluation"]["text"]) == sorted(text for text, _ in ROWS[4:])


def test_a_split_may_be_named_by_its_file(outcomes):
    assert outcomes["file names"]["train"]["text"] == [text for text, _ in ROWS[4:]]


def test_shards_are_read_in_order(outcomes):
    assert outcomes["shards"]["train"]["text"] == [text for text, _ in ROWS[:6]]
    assert sorted(outcomes["shards"]["evaluation"]["text"]) == sorted(text for text, _ in ROWS[6:])


def test_a_source_may_call_its_label_text(outcomes):
    assert all_rows(outcomes["pairs"]) == [("a", "b", "1"), ("c", "d", "0")]


@pytest.mark.parametrize(
    ("case", "kind", "says"),
    [
        ("missing text", "bad_data", "no column 'sentense' (task.text); did you mean 'sentence'?"),
        ("missing label", "bad_data", "no column 'label' (task.label); did you mean 'labels'?"),
        ("missing pair", "bad_data", "no column 'txt' (task.text_pair); did you mean 'text'?"),
        ("empty", "bad_data", "empty.csv: the file is empty"),
        ("ragged", "bad_data", "ragged.csv"),
        ("twice", "bad_data", "twice.csv"),
        ("latin 1", "bad_data", "latin.csv, line 2: the byte 0xe9 is no UTF-8; want the file saved as UTF-8"),
        ("latin 1 json", "bad_data", "latin.jsonl, line 1: the byte 0xe9 is no UTF-8"),
        ("utf 16", "bad_data", "utf16.csv: is no UTF-8 but looks like UTF-16 or UTF-32; want UTF-8"),
        ("utf 16 unmarked", "bad_data", "bare.csv: is no UTF-8 but looks like UTF-16 or UTF-32; want UTF-8"),
        ("open quote", "bad_data", 'open.csv: CSV parse error: Expected 2 columns, got 1: "a,x'),
        ("digits", "bad_data", "digits.jsonl, line 3: a number of 5000 digits; want at most 308"),
        ("list", "bad_data", "list.json, line 1: a list; want one object a line"),
        ("no object", "bad_data", "words.jsonl, line 2: b is no object; want one object a line"),
        *((f"deep {name}", "bad_data", f"deep_{name}.jsonl, line 2: nested too deeply; want at most") for name in DEEP),
        ("deep behind", "bad_data", "behind.jsonl, line 2: nested too deeply"),
        ("no json", "bad_data", "no.jsonl"),
        ("no parquet", "bad_data", "no.parquet"),
        ("cut parquet", "bad_data", "cut.parquet"),
        ("damaged parquet", "bad_data", "damaged.parquet"),
        ("another format", "bad_data", ".parquet"),
        ("absent", "missing_file", "absent.csv"),
        ("absent split", "missing_file", "did you mean 'train.csv'?"),
        ("nothing held out", "bad_config", "held_out"),
        ("all held out", "bad_data", "held_out=8"),
        ("no source", "bad_config", "task.source"),
    ],
)
def test_a_bad_file_has_a_named_failure(outcomes, case, kind, says):
    assert (outcomes[case]["kind"], says in outcomes[case]["message"]) == (kind, True), outcomes[case]
    assert "\n" not in outcomes[case]["message"]
