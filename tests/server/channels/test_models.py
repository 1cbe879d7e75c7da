"""Rows of channels."""

from __future__ import annotations

from surefoot_server.channels.models import Channel, ChannelEntry, ChannelEvidence


def test_what_is_in_a_channel_and_what_was_proved_there_is_a_digest() -> None:
    assert ChannelEntry.model_fields["digest"].is_required()
    assert ChannelEvidence.model_fields["digest"].is_required()
    assert Channel.model_fields["after"].default is None
