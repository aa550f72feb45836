"""The radix tree over prompts: every row is run whole, and nothing that is shared is run twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.evaluation.prefix import Row, Trunk, common, pack, parts, segments, trunks

SEQUENCES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=30)


def rows_of(sequences: list[list[int]], scored: int = 1) -> list[Row]:
    return [Row(i, tuple(tokens), max(0, len(tokens) - scored)) for i, tokens in enumerate(sequences)]


@given(SEQUENCES, st.integers(1, 12), st.integers(1, 4), st.integers(1, 20), st.integers(1, 5))
def test_every_row_is_run_whole_exactly_once(
    sequences: list[list[int]], gain: int, least: int, size: int, scored: int
) -> None:
    rows = rows_of(sequences, scored)
    seen = {}
    for trunk in trunks(rows, gain, least):
        for segment in segments(trunk, size):
            for row, path in zip(segment.rows, segment.paths, strict=True):
                assert row.index not in seen
                assert len(trunk.tokens) <= row.shareable
                seen[row.index] = trunk.tokens + tuple(segment.tokens[place] for place in path)
                assert [segment.parents[place] for place in path] == [-1, *path[:-1]]
                assert [segment.depths[place] for place in path] == list(range(len(path)))
    assert seen == {row.index: row.tokens for row in rows}


@given(SEQUENCES)
def test_a_segment_holds_each_shared_token_once(sequences: list[list[int]]) -> None:
    rows = rows_of(sequences)
    segment = pack(rows, 0)
    beginnings = {row.tokens[: end + 1] for row in rows for end in range(len(row.tokens))}
    assert len(segment.tokens) == len(beginnings)


@given(SEQUENCES, st.integers(1, 20))
def test_segments_keep_to_their_size_unless_a_row_alone_is_longer(sequences: list[list[int]], size: int) -> None:
    for segment in segments(Trunk((), tuple(rows_of(sequences))), size):
        assert len(segment.tokens) <= size or len({row.tokens for row in segment.rows}) == 1


def test_two_tasks_with_a_common_head_become_two_trunks() -> None:
    head = [9] * 20
    one = [[*head, *[1] * 50, i] for i in range(10, 40)]
    two = [[*head, *[2] * 50, i] for i in range(10, 40)]
    found = trunks(rows_of(one + two))
    assert sorted(len(trunk.tokens) for trunk in found) == [70, 70]
    assert sorted(len(trunk.rows) for trunk in found) == [30, 30]


def test_a_beginning_that_saves_little_is_no_trunk() -> None:
    rows = rows_of([[*range(40), 100 + i] for i in range(3)])
    assert [trunk.tokens for trunk in trunks(rows, gain=1_000)] == [()]
    assert [len(trunk.tokens) for trunk in trunks(rows, gain=80)] == [40]


def test_a_question_and_its_endings_are_one_tree() -> None:
    question = list(range(30))
    rows = [Row(i, (*question, 100 + i, 7), 28) for i in range(4)]
    (segment,) = segments(Trunk((), tuple(rows)), 256)
    assert len(segment.tokens) == 30 + 4 * 2


def test_one_short_row_does_not_cut_the_others_beginning() -> None:
    head = list(range(200))
    rows = rows_of([[*head, 300 + i, 7] for i in range(50)])
    short = Row(50, tuple(head[:30]), 29)
    found = {len(trunk.tokens): len(trunk.rows) for trunk in trunks([*rows, short])}
    assert found == {200: 50, 0: 1}


def test_a_head_of_several_trunks_is_their_parent() -> None:
    head = [9] * 100
    found = trunks(rows_of([[*head, *[task] * 50, i] for task in range(3) for i in range(10, 40)]))
    assert [len(trunk.tokens) for trunk in found] == [150] * 3
    assert {trunk.parent and trunk.parent.tokens for trunk in found} == {tuple(head)}


def test_nothing_has_no_trunk() -> None:
    assert trunks([]) == []


def test_common_stops_at_the_limit() -> None:
    assert common([1, 2, 3], [1, 2, 4], 9) == 2
    assert common([1, 2, 3], [1, 2, 3], 2) == 2
    assert common([], [1], 5) == 0


@given(SEQUENCES, st.integers(1, 12))
def test_parts_cover_a_segment_and_each_token_sees_its_path(sequences: list[list[int]], size: int) -> None:
    segment = pack(sorted(rows_of(sequences), key=lambda row: row.tokens), 0)
    found = parts(segment.parents, size)
    assert [part.start for part in found] == [0, *(part.stop for part in found[:-1])]
    assert found[-1].stop == len(segment.tokens)
    for part in found:
        whole = {place for number in part.above for place in range(found[number].start, found[number].stop)}
        chain = part.parents == tuple(range(-1, part.stop - part.start - 1))
        assert chain or part.stop - part.start <= size
        for place in range(part.start, part.stop):
            path, own = set(), place - part.start
            while own >= 0:
                path.add(part.start + own)
                own = part.parents[own]
            expected, at = set(), place
            while at >= 0:
                expected.add(at)
                at = segment.parents[at]
            assert path | whole == expected


def test_rows_out_of_order_are_one_part() -> None:
    segment = pack(rows_of([[1, 2, 3], [1, 5], [1, 2, 4]]), 0)
    assert [(part.start, part.stop) for part in parts(segment.parents, 2)] == [(0, 5)]
