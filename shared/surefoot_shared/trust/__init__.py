"""Who may run what: two TUF repositories, the bundle between server and device, the match rules, halt list and floors.

Promises: every signature, threshold, version and expiry line is python-tuf's; only the match rules are ours. Nothing is
accepted that the image repository's release keys did not list *and* this device's director did not assign. What was
learned (floors, halted digests, metadata) survives a power cut. Refuses to act without a bootstrap root, and to
distinguish a careless server from a hostile one. Sources: Uptane 2.1 full verification; TUF 1.0.34; DESIGN §6.

This module imports nothing, so that the agent's long-lived process can use `floors` and `versions` without python-tuf.

On the device (`surefoot_agent.trust` does this in a child process; functions of `verify` and `floors`)::

    verified = decide(state / "trust", "cam-17", "rpi5", bundle, datetime.now(timezone.utc))
    verified.approved[0].note.assignment, verified.approved[0].digest, verified.refused[0].kind
    accept_halt(state / "trust", raw, now)              # (epoch, digests)
    FloorStore(state / "trust").committed(target_note)  # after the commit, never before

On the server (`surefoot_server.keys.online`)::

    repository = OnlineRepository(data / "repo", data / "keys")
    note = repository.accept_release(role_json, manifest_json)
    assignment = AssignmentNote("cam-17", "a-1", "app", repository.next_seq(), Intent.UPDATE)
    wish = SignedWish(assignment, "1.1", digest_of(manifest_json), len(manifest_json))   # trust.director
    raw = repository.bundle("cam-17", [wish], hello.image, hello.director, now)          # [] = nothing is wanted
    repository.halt([digest], now)   # the whole set that is halted; [] lifts every halt; returns the signed list
    repository.refresh(now)          # True: something was signed again, so publish halt_list() and a hint
"""
