"""The review commands: parse, call a verb, print. No logic."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenekeeper.printing import DatasetPath, Json, print_json, print_table

if TYPE_CHECKING:
    from scenekeeper.review.advice import Advice
    from scenekeeper.review_verbs import Standing

SHOWN_EVENTS = 20
"""So many of the last decisions are listed."""


def review(
    dataset: DatasetPath,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="That you have; until all is asked by default.")
    ] = None,
    share: Annotated[
        str | None,
        typer.Option(metavar="N%", help="Or as a share of the frames, read one by one."),
    ] = None,
    reviewer: Annotated[str, typer.Option(help="Your name; your login's by default.")] = "",
    segmenter: Annotated[
        str | None,
        typer.Option(help="sam2:CHECKPOINT or edgetam:CHECKPOINT, for masks by clicks."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Where the segmenter runs.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's needs --token.")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="8640, or the next that is free.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="SCENEKEEPER_TOKEN", help="Opens the page, for everybody.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Further host names that it is reached by.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the audits' draws.")] = 0,
    open: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open the page; by default on a terminal."),
    ] = None,
) -> None:
    """Look at the few labels that matter; one decision mends a thousand frames.

    \b
    scenekeeper review lab.sk                         on this machine, until all is asked
    scenekeeper review lab.sk --minutes 30            what thirty minutes are best spent on
    scenekeeper review lab.sk --segmenter sam2:facebook/sam2.1-hiera-small
    scenekeeper review lab.sk --host 0.0.0.0 --token "$(cat token)"   for several reviewers
    """
    from scenekeeper import review_verbs

    shown = False

    def told(link: str) -> None:
        nonlocal shown
        if not shown:
            print(
                f"review {dataset} at  {link}\nStop with Ctrl-C; every decision is saved at once."
            )
        else:
            print(f"for another browser: {link}", flush=True)
        if not shown and (open or (open is None and sys.stdout.isatty())):
            import webbrowser

            webbrowser.open(link)
        shown = True

    review_verbs.review(
        dataset,
        minutes=minutes,
        share=_share(share),
        host=host,
        port=port,
        token=token,
        names=tuple(name or ()),
        reviewer=reviewer,
        seed=seed,
        segmenter=segmenter,
        device=device,
        told=told,
    )
    print(f"what the labels are worth now:  scenekeeper certify {dataset}")


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no share; write 5%") from None


def certify(
    dataset: DatasetPath,
    right: Annotated[
        float, typer.Option(min=0.5, max=0.9999, help="Share of labels that shall be right.")
    ] = 0.95,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.9999, help="How sure it shall be.")
    ] = 0.9,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Of the labels, for the plan.")
    ] = 0.8,
    out: Annotated[Path | None, typer.Option(help="Write the certificate, as JSON.")] = None,
    json: Json = False,
) -> None:
    """What the audits prove about the labels in force, and what more would take.

    \b
    scenekeeper certify lab.sk
    scenekeeper certify lab.sk --right 0.99 --confidence 0.95 --out certificate.json
    """
    from scenekeeper import review_verbs

    found = review_verbs.certify(dataset, 1 - right, 1 - confidence, share=share, out=out)
    if json:
        print_json(found.to_dict())
        return
    _print_standing(found)
    if out is not None:
        print(f"\nwritten: {out}")


def _print_standing(found: Standing) -> None:
    if found.certificate is None:
        print("Nothing is proven yet.")
        print(found.plan.statement)
    else:
        print(f"{found.certificate.statement}.\n{found.certificate.grounds}")
    missed, planted = found.reviewer
    print(
        f"\n{found.decided} tracks decided on; {found.labels:,} labels in all;"
        f" {missed} of {planted} planted errors were missed."
    )
    if found.quality:
        rows = [(q.kind, f"{q.share:.1%}", f"{q.low:.1%} to {q.high:.1%}") for q in found.quality]
        print()
        print_table(("wrong labels", "share", "95 % interval"), rows)


def decisions(
    dataset: DatasetPath,
    json: Json = False,
) -> None:
    """Who decided what; makes sure first that nothing was altered.

    \b
    scenekeeper decisions lab.sk
    scenekeeper decisions lab.sk --json > decisions.json
    """
    from scenekeeper import review_verbs

    found = review_verbs.decisions(dataset)
    if json:
        print_json(found.to_dict())
        return
    ops = Counter(str(row["op"]) for row in found.rows)
    people = sorted({str(row["actor"]) for row in found.rows})
    print(
        f"{len(found.rows)} decisions by {', '.join(people) or 'nobody'}:"
        f" {', '.join(f'{n} {op}' for op, n in ops.most_common())}"
    )
    if found.rows:
        print_table(
            ("event", "when", "who", "what", "about"),
            [
                (
                    row["event"],
                    time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["t_ns"] / 1e9)),
                    row["actor"],
                    " ".join([str(row["op"]), *[str(v)[:40] for v in row["body"].values()]]),
                    row["subject"],
                )
                for row in found.rows[-SHOWN_EVENTS:]
            ],
        )
    for event, kind, text in found.remarks:
        print(f"event {event}, {kind}: {text}")
    if found.conflicts:
        print(f"{found.conflicts} decisions came too late; their cards are shown again.")
    print(f"unaltered; the last of {found.head.events} events is {found.head.hash}")


def advise(
    dataset: DatasetPath,
    accept: Annotated[
        bool, typer.Option("--accept", help="Put what is accepted there into the vocabulary.")
    ] = False,
    json: Json = False,
) -> None:
    """What the next labelling should do otherwise, learned from what people decided.

    \b
    scenekeeper advise lab.sk              writes lab.sk/advice.toml; set accept = true there
    scenekeeper advise lab.sk --accept     puts that into lab.sk/vocabulary.toml
    """
    from scenekeeper import review_verbs

    found = review_verbs.advise(dataset, accept=accept)
    if json:
        from dataclasses import asdict

        print_json(asdict(found))
        return
    _print_advice(found)
    if accept:
        print(f"{len(found)} accepted; the next labelling with models looks for them")
    else:
        print(f"{len(found)} proposed; accept them in {dataset / review_verbs.ADVICE}")


def _print_advice(found: Advice) -> None:
    for t in found.threshold:
        print(f"{t.phrase}: from a score of {t.score:.2f} on. {t.because}")
    for a in found.alias:
        print(f"{a.synonym} is a {a.phrase}. {a.because}")
    for w in found.word:
        print(f"look for {w.phrase}. {w.because}")
    for n in found.negative:
        print(f"discard what is found as {n.phrase}. {n.because}")


def import_(
    dataset: DatasetPath,
    file: Annotated[Path, typer.Argument(help="What the tool exported: file, archive or folder.")],
    source: Annotated[
        str, typer.Option("--from", help="cvat, label-studio, labelbox, v7 or roboflow.")
    ],
    reviewed: Annotated[
        bool | None,
        typer.Option("--reviewed/--not-reviewed", help="Whether somebody looked at all of it."),
    ] = None,
    json: Json = False,
) -> None:
    """Take back what people corrected in another tool; the labels follow.

    \b
    scenekeeper export lab.sk cvat task/              make a task there of this folder
    scenekeeper import lab.sk annotations.zip --from cvat
    """
    from scenekeeper import review_verbs

    done = review_verbs.import_corrections(dataset, file, source, reviewed=reviewed)
    if json:
        print_json(done.to_dict())
        return
    ops = ", ".join(f"{n} {op}" for op, n in sorted(done.ops.items()))
    print(f"{done.saved} decisions saved{f': {ops}' if ops else ''}; {done.known} were known")
    if done.conflicts:
        print(f"{done.conflicts} came after somebody else's; review shows them again")
    for reason in done.refused:
        print(f"refused: {reason}")


def add_to(app: typer.Typer) -> None:
    """Make these commands of an application."""
    for command in (review, certify, decisions, advise):
        app.command()(command)
    app.command("import")(import_)
