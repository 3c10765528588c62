"""Text that ships with Python, as conversations without pictures."""

from superlens.data.docstrings import MOST, conversations, docstrings
from superlens.data.sources.open import open_source


def test_sources_are_parsed_and_never_run(tmp_path):
    long = "Words of a long text. " * 80
    (tmp_path / "a.py").write_text('raise SystemExit\n\ndef f():\n    """Say what this function is for, at some length."""\n')
    (tmp_path / "b.py").write_text(f'"""{long}"""\nclass C:\n    """Short."""\n')
    (tmp_path / "broken.py").write_text("def (")
    found = dict(docstrings(tmp_path))
    assert found == {"a.f": "Say what this function is for, at some length.", "b": long.strip()}
    talks = conversations(folder=tmp_path, again=0)
    assert len(talks) == 1 + -(-len(long) // MOST) and not any(talk.images for talk in talks)
    assert " ".join(talk.messages[1].text for talk in sorted(talks, key=lambda talk: len(talk.messages[0].text))).count("Words") == 80
    assert conversations(folder=tmp_path, again=0) == talks and len(conversations(folder=tmp_path, limit=1)) == 1


def test_some_is_said_back_in_an_order_that_means_nothing(tmp_path):
    (tmp_path / "a.py").write_text('def f():\n    """Say what this function is for, at some length."""\n')
    (told,) = conversations(folder=tmp_path, again=0)
    both = conversations(folder=tmp_path, again=1)
    (said,) = [talk for talk in both if talk.messages[0].text == talk.messages[1].text]
    assert len(both) == 2 and told in both
    words, whole = said.messages[1].text.split(" "), told.messages[1].text.split(" ")
    assert 4 <= len(words) == len(set(words)) and set(words) <= set(whole) and words != whole[: len(words)]


def test_pythons_own_text_is_plenty(tmp_path):
    talks = conversations(limit=300)
    assert len(talks) == 300 and len({talk.messages[1].text for talk in talks}) > 250
    from superlens.data.convert import write_jsonl

    write_jsonl(talks[:5], tmp_path / "help.jsonl")
    assert len(open_source(tmp_path / "help.jsonl")) == 5
