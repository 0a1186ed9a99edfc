"""Where frames begin, however they arrive."""

from hypothesis import given
from hypothesis import strategies as st

from tagboat_server.relay import GOAWAY, Frames, Server

FRAMES = st.lists(st.binary(max_size=20).map(lambda body: len(body).to_bytes(3, "big") + bytes(6) + body), max_size=6)


def pieces(data, cuts):
    ends = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in zip(ends, ends[1:])]


@given(FRAMES, st.lists(st.integers(0, 150), max_size=8))
def test_the_last_beginning_in_each_piece_is_found(frames, cuts):
    starts = {sum(map(len, frames[:count])) for count in range(len(frames) + 1)}
    found, at = Frames(), 0
    for piece in pieces(b"".join(frames), cuts):
        inside = [start - at for start in starts if at < start <= at + len(piece)]
        assert found.pass_over(piece) == max(inside, default=None)
        at += len(piece)
        assert found.between == (at in starts)


class Collected:
    """What would have been sent."""

    def __init__(self):
        self.sent = b""

    def send(self, data):
        self.sent += data


class Asked:
    leaving = False


@given(FRAMES, st.lists(st.integers(0, 150), max_size=8), st.integers(0, 8))
def test_a_goaway_comes_between_two_frames_and_only_once(frames, cuts, when):
    pair = Asked()
    side = Server(pair)
    side.other = Collected()
    for number, piece in enumerate(pieces(b"".join(frames), cuts)):
        pair.leaving = pair.leaving or number == when
        side.data_received(piece)
    sent, whole = side.other.sent, []
    while sent:
        length = 9 + int.from_bytes(sent[:3], "big")
        whole.append(sent[:length])
        sent = sent[length:]
    assert whole.count(GOAWAY) <= 1
    assert [frame for frame in whole if frame != GOAWAY] == frames
