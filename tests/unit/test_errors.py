"""Errors as users raise them: with or without text, in subclasses of their own, across processes."""

from __future__ import annotations

import pickle

from asyncflow.errors import UserError


class NotEnough(UserError):
    """One of a user's, whose arguments are its own."""

    headline = "Not enough"

    def __init__(self, what: str, count: int) -> None:
        super().__init__(msg=f"{count} of {what}")
        self.count = count


def test_an_error_says_what_it_was_given_whatever_that_is() -> None:
    assert [str(UserError()), str(UserError("a")), str(UserError(["a", 1]))] == ["", "a", "['a', 1]"]
    assert str(UserError(msg="named")) == "named"
    assert str(UserError("at a place", 7)) == "at a place\nat line 7"


def test_a_subclass_with_other_arguments_goes_to_another_process_as_it_is() -> None:
    error = pickle.loads(pickle.dumps(NotEnough("bread", 2)))
    assert (type(error), str(error), error.count, error.headline) == (
        NotEnough,
        "2 of bread",
        2,
        "Not enough",
    )
