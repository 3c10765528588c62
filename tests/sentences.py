"""What tests of several files say the same way."""

from __future__ import annotations

import pytest


def refused(call, *words):
    """The one sentence of the ValueError that a call raises, which holds all the words."""
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    for word in words:
        assert str(word) in message, message
    return message
