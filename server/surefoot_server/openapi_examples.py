"""Bodies that show how the API is asked, one for each operation that takes a JSON document; a test sends them all.

Promises: each fits its schema, and none is malformed in what a schema cannot say (policies, expressions, keys). Names
and texts are those of the guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

POLICY = """\
phases:
  - {name: canary, percent: 5, min_devices: 3, bake: 6h}
  - {name: rest, percent: 100, bake: 12h}
gate: {max_wait: 6h}
on_fail: {halt: true, committed_devices: revert}
"""
FLEET = """\
version: 1
cohorts:
  hanoi: "site ~ 'hanoi-*' and not tag('lab')"
channels:
  dev: {cohort: "channel == 'dev'"}
"""
CERTIFICATE = (
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBojCCAUegAwIBAgIUBbFGjtTzOAGt++Rz1uo6uA5XCSowCgYIKoZIzj0EAwIw\n"
    "HTEbMBkGA1UEAwwSRXhhbXBsZSBmYWN0b3J5IENBMCAXDTI2MTEyOTIwMjMzNFoY\n"
    "DzIwODEwOTAxMjAyMzM0WjAdMRswGQYDVQQDDBJFeGFtcGxlIGZhY3RvcnkgQ0Ew\n"
    "WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASVaOoH+FknuuenWY2kwPmx0HwePswa\n"
    "fR4jHGxz9N3uV+RjORuJYTDD7HHiTM7QCmbJ/ucpt38HVyYl9VFFT7tto2MwYTAd\n"
    "BgNVHQ4EFgQUORQ8Sc5lzOTmA7lBlmsu7aAFzm8wHwYDVR0jBBgwFoAUORQ8Sc5l\n"
    "zOTmA7lBlmsu7aAFzm8wDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYw\n"
    "CgYIKoZIzj0EAwIDSQAwRgIhAK02vsyUZ6fqtZWa9NBUk0cN2Gmr4+eg6J7NmSjS\n"
    "Jbr4AiEAv9kW+i6DJCB61KFiEYqTA9GVd76pZGR43/fDXG+33ik=\n"
    "-----END CERTIFICATE-----\n"
)
ORDER: Mapping[str, Any] = {"release": "camera-app/1.8.2", "cohort": "hanoi", "policy": POLICY}
ACT: Mapping[str, Any] = {"reason": "power work in Hanoi"}
GRANT: Mapping[str, Any] = {"role": "operator", "scope": "cohort:hanoi", "reason": "on call from Monday"}
DOCUMENT: Mapping[str, Any] = {"document": FLEET}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "access_change_password": {"present": "the one until now", "new": "correct horse battery staple"},
    "access_create": {"name": "nightly", "role": "releaser", "scopes": ["channel:dev"], "valid_s": 7776000},
    "access_create_user": {"name": "linh", "grants": [GRANT]},
    "access_disable": {"reason": "left the company"},
    "access_enable": {"reason": "is back"},
    "access_grant": GRANT,
    "access_set_password": {"password": "correct horse battery staple"},
    "access_withdraw": {"scope": "cohort:hanoi", "reason": "moved to Saigon"},
    "channels_create": {
        "name": "production",
        "cohort": "site ~ 'hanoi-*'",
        "policy": POLICY,
        "requires": "baked: {for: 24h, devices: 5}\nacceptance: 1\n",
    },
    "channels_note": {"release": "camera-app/1.8.2", "test": "smoke", "passed": True, "note": "build 4711"},
    "channels_promote": {"release": "camera-app/1.8.2", "start": True},
    "cohorts_create_cohort": {"name": "hanoi", "expression": "site ~ 'hanoi-*' and not tag('lab')"},
    "configuration_apply": DOCUMENT,
    "configuration_plan": DOCUMENT,
    "devices_ask": {"kind": "logs", "lines": 500},
    "devices_assign_set": {"releases": ["camera-app/1.8.2", "model/7"]},
    "devices_place": {"latitude": 21.028, "longitude": 105.854, "devices": 12},
    "devices_retag": {"cohort": "hanoi", "is": "online", "add": ["canary"], "remove": [], "devices": 12},
    "devices_set_tags": {"tags": ["canary", "roof"]},
    "drills_run": {"component": "camera-app", "cohort": "tag('lab')", "limit_s": 3600},
    "drills_schedule": {"component": "camera-app", "cohort": "tag('lab')", "limit_s": 3600, "every_s": 604800},
    "enrolment_add_factory": {"name": "Example factory", "certificate": CERTIFICATE, "hw": "rpi5"},
    "enrolment_create_token": {"max_uses": 20, "valid_s": 86400, "attributes": {"site": "hanoi-1"}, "tags": ["roof"]},
    "enrolment_preauthorise": {
        "device": "cam-17",
        "key_sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    },
    "feedback_advise": {"reason": "leaks file handles", "do": "halt", "reference": "CVE-2026-12345"},
    "feedback_call": {"reason": "error rate above 5 %", "device": "cam-17"},
    "feedback_create_hook": {"name": "pager", "do": "halt", "release": "camera-app/1.8.2", "valid_s": 7776000},
    "feedback_flag_device": {"reason": "picture is green"},
    "feedback_flag_release": {"reason": "pictures are green on rpi5"},
    "feedback_rotate_hook": {"overlap_s": 86400},
    "findings_finish": {"file": "pypi.zip", "records": 1},
    "findings_take": {
        "file": "pypi.zip",
        "records": [{"id": "PYSEC-2026-1", "modified": "2026-03-01T12:00:00Z", "affected": []}],
    },
    "findings_waive": {"about": "CVE-2026-12345", "reason": "the code is never called", "valid_s": 2592000},
    "releases_missing": {"sha256": ["0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]},
    "rollouts_approve": {"reason": "looked at the canaries"},
    "rollouts_cancel": ACT,
    "rollouts_forecast": {**ORDER, "assumptions": "bad: {reverts: 10%}", "runs": 100},
    "rollouts_halt": {"reason": "pictures are green", "committed": "revert"},
    "rollouts_pause": ACT,
    "rollouts_plan": ORDER,
    "rollouts_reject": {"reason": "not before the holidays"},
    "rollouts_resume": {"reason": "it was the power"},
    "rollouts_retry": {"reason": "the switch is mended", "devices": ["cam-17"]},
    "rollouts_revert": {"reason": "pictures are green"},
    "rollouts_start": ORDER,
    "webhooks_create": {"name": "ops", "url": "https://ops.example.com/surefoot", "kinds": ["rollout", "alarm"]},
}
"""Operation id → a body."""
