"""An option that a command does not have."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("decode", "back.h5", "--decodr", "decoder.onnx"),
            "myodrive decode: --decodr is no option of decode; did you mean --decoder? See `myodrive decode --help`\n",
        ),
        (
            ("decode", "back.h5", "--decodr=decoder.onnx", "-o", "e.tsv"),
            "myodrive decode: --decodr is no option of decode; did you mean --decoder? See `myodrive decode --help`\n",
        ),
        (
            ("run", "--stream", "emg", "--decoder", "d.onnx", "--hop", "-1", "--xyzzy"),
            "myodrive run: --xyzzy is no option of run; see `myodrive run --help`\n",
        ),
        (
            ("play", "-x", "--seconds", "many"),
            "myodrive play: -x is no option of play; see `myodrive play --help`\n",
        ),
    ],
)
def test_it_is_named_with_the_one_that_was_meant(myodrive, arguments, sentence):
    said = myodrive(*arguments)
    assert (said.code, said.out, said.err) == (2, "", sentence)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("decode", "back.h5", "--dec", "d.onnx"), "the following arguments are required: -o/--output"),
        (("calibrate", "x.h5", "-od.onnx", "--seed", "-1"), "argument --seed"),
        (("decode", "back.h5", "--decoder", "d.onnx", "-o", "e", "--", "--decodr"), "unrecognized arguments"),
    ],
)
def test_beginnings_values_and_what_follows_a_double_dash_are_no_unknown_options(myodrive, arguments, words):
    said = myodrive(*arguments)
    assert said.wrong_usage(words)
    assert said.err.startswith("usage: ")
