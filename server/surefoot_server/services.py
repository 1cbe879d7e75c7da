"""What serves operators: rollouts, drills, feedback, notifications and what watches keys and releases."""

from __future__ import annotations

from dataclasses import dataclass

from surefoot_server import db
from surefoot_server.drills.service import DrillService
from surefoot_server.events.streams import Streams
from surefoot_server.feedback.hooks import Hooks
from surefoot_server.feedback.service import FeedbackService
from surefoot_server.findings.builders import Builders
from surefoot_server.findings.roster import Roster
from surefoot_server.findings.watch import Watch
from surefoot_server.ground import Ground
from surefoot_server.keys.alarms import KeyAlarms
from surefoot_server.keys.layout import KeyFolder
from surefoot_server.leader import Leader
from surefoot_server.line import Line
from surefoot_server.notify.forms import outside_of
from surefoot_server.notify.sending import Sender
from surefoot_server.notify.service import NotifyService
from surefoot_server.rollouts.service import RolloutService


@dataclass(frozen=True, slots=True)
class Services:
    leader: Leader
    rollouts: RolloutService
    feedback: FeedbackService
    hooks: Hooks
    drills: DrillService
    notify: NotifyService
    sender: Sender
    streams: Streams
    watch: Watch
    builders: Builders
    roster: Roster
    alarms: KeyAlarms


def make_services(ground: Ground, line: Line) -> Services:
    """Made, not started; what is about to expire and whose word counts about builds are looked up at once."""
    settings, database = ground.settings, ground.database
    rollouts = RolloutService(database, line.devices, ground.online, line.gateway.publish_halt)
    feedback = FeedbackService(database, rollouts)
    leader = Leader(database)
    notify = NotifyService(database, ground.feed, ground.sealing, outside_of(settings))
    sender = Sender(database, notify, leader.leads)
    ground.feed.on_news(sender.wake)
    alarms = KeyAlarms(database, ground.online.expiring)
    alarms.check(db.utc_now())
    builders = Builders(KeyFolder(settings.keys_dir).builders, ground.blobs)
    roster = Roster(database, builders.keys)
    roster.note(db.utc_now())
    return Services(
        leader=leader,
        rollouts=rollouts,
        feedback=feedback,
        hooks=Hooks(database, rollouts, feedback, ground.sealing),
        drills=DrillService(database, line.devices),
        notify=notify,
        sender=sender,
        streams=Streams(ground.feed, settings.event_streams),
        watch=Watch(database, db.utc_now),
        builders=builders,
        roster=roster,
        alarms=alarms,
    )
