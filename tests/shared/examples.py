"""One full value of every message, for the golden files. Every field differs from its default where it has one."""

from __future__ import annotations

from surefoot_shared.enrolment import Enrolled, EnrolRequest, MqttAddress, Renewed, RenewRequest
from surefoot_shared.image import NO_BLOB, Image, joined
from surefoot_shared.messages import (
    Ack,
    AssignmentNote,
    Checkpoint,
    CheckReport,
    ChunkRequest,
    ComponentReport,
    Event,
    EventKind,
    Events,
    Hello,
    JointSet,
    Lease,
    MetadataVersions,
    Pack,
    PresenceMessage,
    Request,
    RequestKind,
    Response,
    RevertReport,
    RunningProof,
    Sample,
    Sealed,
    SlotReport,
    Source,
    TelemetryBatch,
    TrustHint,
)
from surefoot_shared.pack import Encoding
from surefoot_shared.release import (
    Application,
    CheckKind,
    DataHandling,
    HealthCheck,
    Manifest,
    Probation,
    SlotKind,
    TargetNote,
    TreeFile,
)
from surefoot_shared.status import AttemptState, Check, Intent, Outcome, Presence, SlotName, SlotState
from surefoot_shared.tokens import DeviceToken, TokenRequest

ONE, TWO = "1" * 64, "2" * 64
SEALED = Sealed('{"text":"exactly as it was signed"}', "c2lnbmF0dXJl")

COMPONENT = ComponentReport(
    component="app",
    slot=SlotName.B,
    release="app/1.1",
    digest=TWO,
    slots={"A": SlotReport(SlotState.GOOD, "app/1.0", ONE), "B": SlotReport(SlotState.BAD)},
    state=AttemptState.PROBATION,
    assignment="a-17",
    seq=1764000000123,
    previous_kept=False,
)
CHECKPOINT = Checkpoint(1200, "5" * 64, "2026-11-23T08:00:00+00:00", "c2lnbmF0dXJl")
HELLO = Hello(
    device="cam-17",
    seq=3,
    nonce="5f3c",
    stream="stream-1",
    instance="instance-1",
    boot_id="boot-1",
    at="2026-11-23T08:00:00Z",
    clock_source="ntp",
    agent="0.1.0",
    hw="jetson-orin",
    components=(COMPONENT,),
    image=MetadataVersions(1, 2, 3, 4, {"rel-app": 5}),
    director=MetadataVersions(1, 6, 7, 8),
    halt_epoch=9,
    svn_floor=2,
    trials_reported=4,
    audit=CHECKPOINT,
)
EVENT = Event(
    device="cam-17",
    stream="stream-1",
    seq=42,
    at="2026-11-23T08:00:00Z",
    boot_id="boot-1",
    kind=EventKind.OUTCOME,
    component="app",
    assignment="a-17",
    attempt=2,
    state=AttemptState.REVERTING,
    outcome=Outcome.REVERTED,
    reason="health_failed",
    message="camera: 40 frozen frames — 25 °C",
    progress=0.5,
    proof=RunningProof(ONE, SlotName.A, 4242, "/slots/A/bin/app", "/slots/A", True, 10.0),
    report=RevertReport(
        "camera",
        "frozen frames",
        "last line\n",
        "failed_verdict",
        {"frozen_ratio": 1.0},
        2,
        "panic",
        "Kernel panic\n",
        (CheckReport("camera", True, Check.FAIL, "frozen frames", 0.6, {"frozen_ratio": 1.0}, "said"),),
    ),
)
SAMPLE = Sample("2026-11-23T08:00:00Z", "camera_fps", 24.9, "app", TWO, SlotName.B)
MANIFEST = Manifest(
    component="app",
    version="1.1",
    counter=101,
    svn=1,
    hw=("jetson-orin", "rpi5"),
    files=(TreeFile("bin/app", 0o755, 12, ONE), TreeFile("model.bin", 0o644, 34, TWO)),
    application=Application(("bin/app", "--fps", "25"), 7.5),
    checks=(HealthCheck("camera", CheckKind.CAMERA, False, 0.5, 1.5, 2, 3, {"min_fps": 20.0, "url": "http://x"}),),
    probation=Probation(20.0, 4, 10.0),
    slot=SlotKind.TREE,
    notes="Faster counting.",
    data=DataHandling(True, ("bin/app", "up"), ("bin/app", "down"), ("bin/app", "tidy"), 60.0),
)
IMAGE_MANIFEST = Manifest(
    component="rootfs",
    version="7",
    counter=700,
    svn=1,
    hw=("jetson-orin",),
    files=(),
    checks=(HealthCheck("web", CheckKind.HTTP, params={"url": "http://localhost/"}),),
    slot=SlotKind.IMAGE,
    image=Image(4096 * 2 + 512, 4096, 2, joined([bytes([n]) * 32 for n in range(3)]), joined([b"\x0a" * 32, NO_BLOB])),
)

CSR, CERTIFICATE = "-----BEGIN CERTIFICATE REQUEST-----\n", "-----BEGIN CERTIFICATE-----\n"
EXAMPLES: dict[str, object] = {
    "sealed": SEALED,
    "hello": HELLO,
    "event": EVENT,
    "event_smallest": Event("cam-17", "stream-1", 1, "2026-11-23T08:00:00Z", "boot-1", EventKind.NOTICE),
    "events": Events((SEALED, SEALED)),
    "telemetry": TelemetryBatch("cam-17", "stream-1", 7, 3, (SAMPLE,)),
    "presence": PresenceMessage(Presence.OFFLINE, "instance-1"),
    "ack": Ack("stream-1", 42, 7),
    "lease": Lease("a-17", (Source("https://server:8443/api/v1/blobs/", "token"),), 600.0, 1_000_000),
    "lease_with_offer": Lease(
        "a-17",
        (Source("https://server:8443/api/v1/blobs/", "token"),),
        600.0,
        1_000_000,
        wait_s=12.5,
        encodings=("zstd",),
        packs=(
            Pack(ONE, TWO, "3" * 64, 640_000, Encoding.XZ, 9_000_000),
            Pack("", TWO, "4" * 64, 16_000_000, Encoding.ZSTD, 60_000_000),
        ),
        mint_url="https://server:8443/api/v1/blobs/urls",
        chunk_bytes=65_536,
    ),
    "chunk_request": ChunkRequest("cam-17", "3" * 64, 640_000, 65_536, "/8A="),
    "request": Request("r-1", RequestKind.DIAGNOSTICS, 500),
    "response": Response("r-1", True, "first line\nsecond line"),
    "trust_hint": TrustHint(12, 1, 9, CHECKPOINT),
    "checkpoint": CHECKPOINT,
    "assignment_note": AssignmentNote(
        "cam-17",
        "a-17",
        "app",
        1764000000123,
        Intent.DOWNGRADE,
        False,
        (("2026-11-23T01:00:00Z", "2026-11-23T05:00:00Z"),),
        JointSet("r1-17", (("model", "b" * 64), ("app", "a" * 64))),
    ),
    "enrol_request": EnrolRequest("cam-17", "jetson-orin", "sfe_1_2", CSR, chain=CERTIFICATE),
    "enrolled": Enrolled("cam-17", CERTIFICATE, MqttAddress("server", 8883, 5), ca=CERTIFICATE),
    "renew_request": RenewRequest("cam-17", CSR),
    "renewed": Renewed("cam-17", CERTIFICATE, ca=CERTIFICATE),
    "token_request": TokenRequest("cam-17", "stream-1", 7, "nonce-7", "2026-11-23T08:00:00Z"),
    "device_token": DeviceToken("token", 3600.0),
    "manifest": MANIFEST,
    "manifest_image": IMAGE_MANIFEST,
    "target_note": TargetNote("app", "1.1", 101, 1, ("jetson-orin", "rpi5"), SlotKind.TREE, 46, 3),
}
