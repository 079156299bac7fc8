"""A language model and its tokenizer from a GGUF file: the same losses as the network that was written into it."""

from __future__ import annotations

import pytest

from tests.backend_env import environment_python, program_text, run_in

_RUN = program_text(__file__, "gguf_run")


@pytest.mark.backend("language")
def test_a_gguf_file_gives_the_network_and_the_tokenizer(tmp_path):
    ours, theirs, encoded, end, damaged = run_in(environment_python("language"), _RUN, tmp_path)
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert (encoded, end) == ([9, 11], 0)
    assert damaged[0] == "damaged" and "tiny.gguf" in damaged[1]
