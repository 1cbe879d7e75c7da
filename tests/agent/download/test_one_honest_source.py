"""Any mix of bad caches, sources, packs and frames, and one honest source among them: the release arrives, whole."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from backports import zstd

from surefoot_agent.telling import Telling
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.messages import Source
from surefoot_shared.release import digest_of
from tests.agent.download import sources
from tests.agent.download.devices import NEW, B, Device, content, delta, lease, whole
from tests.agent.download.sources import Request, Trick, serving
from tests.agent.download.test_packs import BAD
from tests.agent.trees import snapshot


def moody(seed: int) -> Trick:
    """Another bad manner with each request."""
    dice = random.Random(seed)
    manners = list(TRICKS)

    def trick(request: Request) -> None:
        manner = dice.choice(manners)
        (sources.honest if dice.random() < 0.2 else TRICKS[manner])(request)

    return trick


def short(request: Request) -> None:
    """Says less than there is, and means it."""
    body = request.body()[:-7]
    request.head(200, Content_Length=len(body))
    request.wfile.write(body)


TRICKS: dict[str, Trick] = {
    "garbage": sources.garbage,
    "endless": sources.endless,
    "short": short,
    "trickling": sources.trickling,
    "silent": sources.silent,
    "closing": sources.closing_after(10_000),
    "without ranges": sources.without_ranges,
    "404": sources.status(404),
    "416": sources.status(416),
    "500": sources.status(500),
    "503": sources.status(503, Retry_After=1),
    "403": sources.status(403),
    "redirect": sources.status(302, Location="http://127.0.0.1:9/"),
    "gzip": sources.status(200, Content_Encoding="gzip"),
}


WORDS = {
    "garbage": "does not match its signed hash",
    "endless": "more bytes than were signed",
    "short": "bytes where",
    "trickling": "are the least",
    "silent": "fell silent",
    "closing": "broke off",
    "404": "does not have the file (404)",
    "416": "answers 416",
    "500": "answers 500",
    "503": "asks to come back later (503)",
    "403": "refuses the lease (403)",
    "redirect": "a redirect (302), which is not followed",
    "gzip": "a content coding that was not asked for",
}


@pytest.mark.slow
@pytest.mark.parametrize("manner", WORDS)
def test_each_manner_of_a_lone_source_has_its_words(tmp_path: Path, manner: str) -> None:
    device = Device(tmp_path, old=False, hurry=True)
    with serving(content(), TRICKS[manner]) as blobs, pytest.raises((Unreachable, InstallFailed)) as caught:
        device.fill(lease(blobs))

    assert WORDS[manner] in caught.value.message
    told = Telling().broke(caught.value, 0.0) if isinstance(caught.value, Unreachable) else (caught.value.message, None)
    assert told is not None
    assert WORDS[manner] in str(told[0])


def test_a_liar_that_another_source_stood_in_for_is_told_too(tmp_path: Path) -> None:
    device = Device(tmp_path, old=False)
    with serving(content(), TRICKS["redirect"]) as liar, serving(content()) as honest:
        device.fill(lease(liar, honest))

    assert device.said[-1].startswith("Fetched ")
    assert device.said[-1].count("Left ") == 1
    host = urlsplit(liar.source().url).netloc
    assert (
        f"Left a source at {host}: The source answers with a redirect (302), which is not followed." in device.said[-1]
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_the_release_arrives_while_one_source_is_honest(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    packs = [*dice.sample(list(BAD.values()), 2), *dice.sample([delta(), whole()], dice.randint(0, 2))]
    dice.shuffle(packs)
    frames = {digest_of(raw) + ".zst": zstd.compress(raw) for raw in NEW.values() if len(raw) > 4096}
    for name in dice.sample(sorted(frames), dice.randint(0, 2)):
        frames[name] = dice.randbytes(500)
    held = content(*packs, more=frames)
    with contextlib.ExitStack() as parts:
        bad = [parts.enter_context(serving(held, moody(seed * 10 + n))) for n in range(dice.randint(1, 3))]
        near = [Source(parts.enter_context(serving(held, moody(seed * 10 + 7))).url, "")] if dice.random() < 0.5 else []
        origins = [*bad, parts.enter_context(serving(held))]
        dice.shuffle(origins)
        device = Device(tmp_path, caches=near, hurry=True)
        given = lease(*origins, packs=[made.offer for made in packs], zstd=True)
        for _ in range(8):  # as the agent comes back after a failure of the network
            with contextlib.suppress(Unreachable):
                device.fill(given)
                break

    assert snapshot(device.slots.path(B)) == NEW
    assert list(device.spool_folder.glob("*")) == []
