"""What each exit status and each kind of failure means, and what it asks the user to do.

docs/reference/failures.md is written from here (``python -m tests.commands.failures_page``), and ``harness --help``
shows the words of the exit statuses.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """What something means, in a clause, and what it asks the user to do, in sentences."""

    means: str
    do: str


#: Exit status of every command -> its advice. `means` is what ``--help`` shows.
EXIT_STATUSES: dict[int, Advice] = {
    0: Advice("done", "Nothing."),
    1: Advice(
        "some gate failed",
        "The command did its work, and the answer is no: a gate of the suite failed (`run`, `table --suite`), "
        "something got slower or less accurate (`compare`), a regression was confirmed (`trend --confirm`), or the old "
        "figure does not hold (`rerun`). The lines that begin with `gate failed`, or the verdicts, say where.",
    ),
    2: Advice(
        "wrong usage",
        "Nothing was measured, or nothing more. The line on standard error names the file or field, what was wrong and "
        "what would be right; fix that and give the same command again. In `plan`, what no cell could run with stands "
        "below the matrix, each after `problem:`. A cache or results that cannot be written "
        "are told in the same way, as is a backend's environment that `env build` could not build.",
    ),
    3: Advice(
        "some cell failed",
        "The other cells stand. `harness status` lists each failure with its kind; the kinds below say what to do. The "
        "same command with `--new` measures again. `export` ends so when it leaves out cells that have failed.",
    ),
    4: Advice(
        "some gate or comparison is undecided",
        "The figures do not suffice for an answer: a gate is `undecided`, or in `compare` a verdict is `inconclusive` "
        "or a variant has not measured a cell. The lines name the rows. More evaluation rows "
        "(`protocol.limit_evaluation`) or more blocks (`protocol.blocks`) narrow the intervals; a quieter host makes "
        "`unstable` and `disturbed` rows usable.",
    ),
    70: Advice(
        "a fault of the harness",
        "This is a defect of ours, not of the input. The line names the file with the full report; please report it.",
    ),
    130: Advice(
        "interrupted",
        "By Ctrl-C. What was measured is on the disk, and the same command goes on where it stopped.",
    ),
    141: Advice(
        "nobody reads the output",
        "Only where another program has put a pipe of its own in the place of standard output. What was written "
        "stands. In a shell's pipe, such as `harness table | head`, a command comes to its end and to its own status.",
    ),
}

#: Kind of a failure record -> its advice; the kinds are :data:`harness.errors.FAILURE_KINDS`.
KINDS: dict[str, Advice] = {
    "bad_config": Advice(
        "fields of the cell contradict each other or its data, in a way that only its own process can see",
        "Change the field that the message names; `harness plan` with the same words shows most of these beforehand.",
    ),
    "missing_file": Advice(
        "a named file or folder is not there, or may not be read",
        "Fix the path that the message names, or its permissions; the nearest name that is there stands beside it.",
    ),
    "damaged": Advice(
        "a hash, an archive or a file of a checkpoint does not check",
        "Fetch or copy the file that the message names anew. Of a checkpoint, take config, tokenizer and weights from "
        "one source.",
    ),
    "bad_data": Advice(
        "the data are empty, of one class, lack a column or hold what is no text or label",
        "Fix the rows that the message names, as an editor counts them.",
    ),
    "bad_labels": Advice(
        "labels do not fit the model's head, or those of training",
        "Give `task.labels` in the order of the head's outputs, as the message spells it out, or fix the rows.",
    ),
    "no_network": Advice(
        "a package index or hub could not be reached",
        "Check network and proxy, or name a local `source.path`; then give the same command with `--new`.",
    ),
    "no_package": Advice(
        "a package index or hub was reached, but has no such package, version or revision",
        "Fix the name, version or revision in the config or the lock, or ask an index that has it.",
    ),
    "environment": Advice(
        "a backend's environment could not be built",
        "`harness env build NAME` shows it again; the message names the installer's log.",
    ),
    "import_error": Advice(
        "the framework, or a package that a checkpoint asks for, did not import",
        "`harness env remove NAME` and `harness env build NAME` make the environment anew; a package that the lock "
        "lacks belongs into it.",
    ),
    "nan": Advice(
        "logits, a loss or a metric are not finite",
        "Lower `task.fine_tune.learning_rate`, or take another recipe; a checkpoint may hold such weights itself.",
    ),
    "no_int8_kernels": Advice(
        "the cell claims INT8 and ran none",
        "The backend fell back to FP32: see its recipe (`approach`), and `harness doctor` for what the host can run.",
    ),
    "isa_ceiling": Advice(
        "kernels ran above the cell's instruction-set ceiling or emulated CPU, or none told its instruction set",
        "Choose a ceiling that this backend knows (docs/reference/instructions.md).",
    ),
    "oom": Advice(
        "the memory limit was reached",
        "Lower the batch sizes, raise `protocol.memory_limit_bytes`, or take a host or container with more memory.",
    ),
    "disk_full": Advice(
        "no space is left",
        "Make room, or name another folder with `HARNESS_CACHE`; the same command goes on where it stopped.",
    ),
    "timeout": Advice(
        "the time limit was reached",
        "Raise `protocol.time_limit_seconds`, or ask for fewer rows or blocks.",
    ),
    "crash": Advice(
        "the process died by a signal, or left without a result",
        "The end of its log stands in the record. Of one invocation a neighbour may be the cause; of two, the backend.",
    ),
    "protocol": Advice(
        "the process spoke rubbish on its pipe, or its result fits no record",
        "This is a defect of ours or of a backend; please report it with the end of its log.",
    ),
    "dependency": Advice(
        "an earlier stage that the cell needs has failed",
        "Fix the failure of that stage; this cell had none of its own.",
    ),
    "error": Advice(
        "any other exception; the message holds its type",
        "Where the message names a file of a project's plugins, fix that file: the record holds the end of the log, "
        "with the traceback. Else the harness does not know this fault yet: please report it with that end of the log.",
    ),
}
