from airbyte_cdk.sources.file_based.access.ranges import GAP, PART, joined, read_joined

DATA = bytes(range(256)) * 8192


def test_near_ranges_are_joined():
    assert joined([(10, 20), (0, 5), (20 + GAP, 30 + GAP), (40 + 2 * GAP, 50 + 2 * GAP), (3, 3), (12, 15)]) == [
        (0, 30 + GAP),
        (40 + 2 * GAP, 50 + 2 * GAP),
    ]


def test_each_range_is_cut_out_of_what_was_read_with_it():
    ranges = [(7, 7), (500, 1000), (0, 3), (900, 1100), (len(DATA) - 2, len(DATA) + 5), (2 * len(DATA), 3 * len(DATA))]
    asked = []

    def read(parts):
        asked.extend(parts)
        return (DATA[start:end] for start, end in parts)

    assert read_joined(ranges, read) == [DATA[start:end] for start, end in ranges]
    assert asked == [(0, 1100), (len(DATA) - 2, len(DATA) + 5), (2 * len(DATA), 3 * len(DATA))]
    assert read_joined([], read) == []
    assert len(asked) == 3


def test_a_long_range_is_read_by_parts_of_even_length():
    long = bytes(PART) + b"the rest"
    asked = []

    def read(parts):
        asked.extend(parts)
        return [long[start:end] for start, end in parts]

    assert read_joined([(0, len(long)), (PART - 2, PART + 3)], read) == [long, b"\0\0the"]
    assert asked == [(0, PART), (PART, len(long))]
