"""Which words of an index a process need not send again."""

from kokoa.services.search.model import KeptChunks


def test_what_was_kept_is_not_sent_again_to_a_generation_that_has_it() -> None:
    chunks = KeptChunks()
    assert chunks.new([1], ["Brass lamp, 4711", "brass"]) == {b"Brass", b"lamp,", b"brass"}
    chunks.keep([1], {b"Brass", b"lamp,"})
    assert chunks.new([1], ["Brass lamp, brass"]) == {b"brass"}
    # A generation that is building beside it has none of them.
    assert chunks.new([1, 2], ["Brass"]) == {b"Brass"}
    chunks.keep([1, 2], {b"Brass"})
    assert chunks.new([1, 2], ["Brass"]) == set()


def test_what_a_process_remembers_is_bounded() -> None:
    chunks = KeptChunks()
    for generation in range(100):
        chunks.keep([generation], {b"lamp"})
    assert chunks.new([99], ["lamp"]) == set()
    assert chunks.new([0], ["lamp"]) == {b"lamp"}
    long = b"x" * 1_000
    chunks.keep([99], {long})
    assert chunks.new([99], [long.decode()]) == {long}
    chunks.keep([99], {b"word%d" % number for number in range(100_000)})
    assert chunks.new([99], ["word7"]) == {b"word7"}
    chunks.keep([99], {b"word7"})
    assert chunks.new([99], ["word7"]) == set()
