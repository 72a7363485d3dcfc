"""Command line of training: prepare, the stages in their order, pack. A stage takes up its state."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from models_ml.training.stage_data import StageOptions

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


def main(arguments: list[str] | None = None) -> None:
    parser = _parser()
    args = parser.parse_args(arguments)
    # Imported late: preparing needs RDKit and no torch, training needs torch and no RDKit.
    if args.command == "prepare":
        from models_ml.training.prepare import prepare

        prepare(
            structures=args.structures,
            train=args.train,
            val=args.val,
            out=args.out,
            variants=args.variants,
            seed=args.seed,
        )
    elif args.command == "pack":
        from models_ml.training.pack import pack

        pack(run=args.run, data=args.data, out=args.out, name=args.name)
    elif args.command == "ranking":
        from models_ml.training.ranking.stage import RankingChoices, train_ranking

        if args.keep_rankers and args.channels_of is None:
            parser.error("--keep-rankers: name the checkpoint that they are taken from with --channels-of.")
        train_ranking(
            args.data,
            args.run,
            args.checkpoint,
            RankingChoices(hold_out=args.hold_out, blind=args.blind),
            args.seeds,
            args.channels_of,
            keep_rankers=args.keep_rankers,
        )
    elif args.command == "baseline":
        from models_ml.training.ranking.stage import RankingChoices, train_bits_alone

        train_bits_alone(args.data, args.out, RankingChoices(hold_out=args.hold_out), args.seed)
    elif args.command == "simulate":
        from models_ml.training.simulate import simulate

        simulate(
            data=args.data,
            checkpoint=args.checkpoint,
            number=args.number,
            hold_out=args.hold_out,
            seed=args.seed,
            out=args.out,
            processes=args.processes,
        )
    elif args.command == "unpack":
        from models_ml.training.unpack import unpack

        unpack(checkpoint=args.checkpoint, data=args.data, run=args.run)
    else:
        _train(args)


def _train(args: argparse.Namespace) -> None:
    from models_ml.training import stages
    from models_ml.training.contrastive import ContrastiveChoices
    from models_ml.training.generative import GenerativeChoices
    from models_ml.training.pretrain import PretrainChoices

    options = _options(args)
    if args.command == "pretrain":
        stages.run_pretrain(
            options,
            config=args.config,
            batch_size=args.batch_size,
            choices=PretrainChoices(decoder_share=args.decoder_share),
            token_window=args.token_window,
            warm_start=args.warm_start,
        )
    elif args.command == "contrastive":
        stages.run_contrastive(
            options,
            source=args.source or args.run,
            blind=args.blind,
            mass_negatives=args.mass_negatives,
            train_head=args.train_head,
            hold_out=args.hold_out,
            warm_start=args.warm_start,
            head_hidden=args.head_hidden,
            simulated=args.simulated,
            choices=ContrastiveChoices(
                batch_size=args.batch_size,
                n_simulated=args.n_simulated,
                n_library_negatives=args.library_negatives,
                n_hard_negatives=args.hard_negatives,
            ),
        )
    else:
        stages.run_generative(
            options,
            source=args.source or args.run,
            per_compound=args.per_compound,
            cross_fitted=args.cross_fitted,
            fusion=args.fusion,
            warm_start=args.warm_start,
            simulated=args.simulated,
            choices=GenerativeChoices(
                batch_size=args.batch_size,
                n_candidates=args.n_candidates,
                context_molecules=args.context_molecules,
            ),
        )


def _options(args: argparse.Namespace) -> StageOptions:
    from models_ml.training.run import Budget
    from models_ml.training.stage_data import StageOptions

    return StageOptions(
        data=args.data,
        run=args.run,
        budget=Budget(args.max_minutes, args.max_steps),
        seed=args.seed,
        device=args.device,
        threads=args.threads,
        rate=args.rate,
        dropout=args.dropout,
        check_every_s=args.check_every,
        fresh=args.fresh,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models_ml.training", description=__doc__)
    commands: Commands = parser.add_subparsers(dest="command", required=True)
    for add in (
        _prepare,
        _pretrain,
        _contrastive,
        _generative,
        _ranking,
        _baseline,
        _simulate,
        _unpack_and_pack,
    ):
        add(commands)
    return parser


def _prepare(commands: Commands) -> None:
    prepare = commands.add_parser("prepare", help="turn files into arrays (needs RDKit, not torch)")
    prepare.add_argument("--structures", type=Path, required=True, help="structures for pre-training")
    prepare.add_argument("--train", type=Path, required=True, help="training spectra with structures")
    prepare.add_argument("--val", type=Path, required=True, help="validation spectra with structures")
    prepare.add_argument("--out", type=Path, required=True)
    prepare.add_argument("--variants", type=int, default=2, help="random spellings of each structure")
    prepare.add_argument("--seed", type=int, default=0)


def _pretrain(commands: Commands) -> None:
    pretrain = _stage(commands, "pretrain", "molecule side: denoise SMILES, predict fingerprints", 64, 0.0)
    pretrain.add_argument("--config", default="small", help="small, paper, base or tiny")
    pretrain.add_argument("--decoder-share", type=float, default=1.0, help="share of steps with the decoder")
    pretrain.add_argument("--token-window", type=int, help="other than the configuration's; 0: none")
    pretrain.add_argument("--warm-start", type=Path, help="a state of another run to begin from")


def _contrastive(commands: Commands) -> None:
    contrastive = _stage(commands, "contrastive", "spectrum encoder: dual-path InfoNCE", 96, 0.1)
    contrastive.add_argument("--source", type=Path, help="run folder of the pre-training (default: --run)")
    contrastive.add_argument("--blind", action="store_true", help="the control: never show a peak")
    contrastive.add_argument(
        "--mass-negatives", action="store_true", help="add library molecules of near mass (not in the paper)"
    )
    contrastive.add_argument(
        "--train-head",
        action="store_true",
        help="the molecule embedding's last layer learns too",
    )
    contrastive.add_argument("--hold-out", type=int, help="a fold of folds.npz that is never shown")
    contrastive.add_argument(
        "--library-negatives", type=int, default=0, help="so many of any mass a batch (not in the paper)"
    )
    contrastive.add_argument(
        "--hard-negatives",
        type=int,
        default=0,
        help="so many that the model confuses (not in the paper)",
    )
    contrastive.add_argument(
        "--head-hidden", type=int, default=0, help="width of a hidden layer beside the embedding heads"
    )
    contrastive.add_argument("--simulated", type=Path, help="a file of `simulate` (not in the paper)")
    contrastive.add_argument("--n-simulated", type=int, default=48, help="of its spectra in each batch")
    contrastive.add_argument("--warm-start", type=Path, help="a state of another run to go on from")


def _generative(commands: Commands) -> None:
    generative = _stage(commands, "generative", "fusion and decoder: token likelihood", 64, 0.1)
    generative.add_argument("--source", type=Path, help="run folder of the pre-training (default: --run)")
    generative.add_argument("--per-compound", type=int, default=8, help="spectra of a compound at most")
    generative.add_argument(
        "--fusion", default="cross", help="cross (the paper's), average, concat or none: ablations"
    )
    generative.add_argument("--n-candidates", type=int, default=40, help="candidates shown to the decoder")
    generative.add_argument("--context-molecules", type=int, default=0, help="of them read token by token")
    generative.add_argument(
        "--cross-fitted", type=Path, nargs="+", default=[], help="runs of `contrastive`, other folds held out"
    )
    generative.add_argument("--simulated", type=Path, help="a file of `simulate` (not in the paper)")
    generative.add_argument("--warm-start", type=Path, help="a generative.pt of another run to go on from")


def _ranking(commands: Commands) -> None:
    ranking = commands.add_parser("ranking", help="the fused ranking, into a packed checkpoint")
    ranking.add_argument("--data", type=Path, required=True)
    ranking.add_argument("--run", type=Path, required=True, help="folder with contrastive.pt")
    ranking.add_argument("--checkpoint", type=Path, required=True, help="folder of `pack`")
    ranking.add_argument("--hold-out", type=int, default=0, help="the fold that contrastive held out")
    ranking.add_argument("--blind", action="store_true", help="the control: never show a peak")
    ranking.add_argument(
        "--seeds", type=int, nargs="+", default=[0], help="the first into the checkpoint, others beside it"
    )
    ranking.add_argument(
        "--channels-of", type=Path, help="a checkpoint whose heads and scorers are taken as they are"
    )
    ranking.add_argument(
        "--keep-rankers", action="store_true", help="its rankers, too: only the judges of absence learn"
    )


def _baseline(commands: Commands) -> None:
    baseline = commands.add_parser(
        "baseline", help="fingerprint heads without decoys, for `evaluate --baseline fingerprint_bce=FOLDER`"
    )
    baseline.add_argument("--data", type=Path, required=True)
    baseline.add_argument("--out", type=Path, required=True, help="a folder")
    baseline.add_argument(
        "--hold-out", type=int, default=0, help="a fold that is not shown, as for `ranking`"
    )
    baseline.add_argument("--seed", type=int, default=0)


def _simulate(commands: Commands) -> None:
    simulated = commands.add_parser(
        "simulate", help="spectra of library structures, for `contrastive --simulated`"
    )
    simulated.add_argument("--data", type=Path, required=True)
    simulated.add_argument("--checkpoint", type=Path, required=True, help="one with a fused ranking")
    simulated.add_argument("--number", type=int, default=60_000, help="so many structures, one spectrum each")
    simulated.add_argument("--hold-out", type=int, default=0, help="the fold that the ranking held out")
    simulated.add_argument("--seed", type=int, default=0)
    simulated.add_argument("--processes", type=int, default=1, help="they change nothing but the time")
    simulated.add_argument("--out", type=Path, required=True, help="an .npz")


def _unpack_and_pack(commands: Commands) -> None:
    unpack = commands.add_parser("unpack", help="begin a run from a checkpoint's molecule side")
    unpack.add_argument("--checkpoint", type=Path, required=True)
    unpack.add_argument("--data", type=Path, required=True)
    unpack.add_argument("--run", type=Path, required=True)

    pack = commands.add_parser("pack", help="write a run as a checkpoint folder")
    pack.add_argument("--run", type=Path, required=True)
    pack.add_argument("--data", type=Path, required=True)
    pack.add_argument("--out", type=Path, required=True)
    pack.add_argument("--name", required=True)


def _stage(
    commands: Commands,
    name: str,
    text: str,
    batch_size: int,
    dropout: float,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--data", type=Path, required=True, help="folder of `prepare`")
    parser.add_argument("--run", type=Path, required=True, help="folder of this run's states and logs")
    parser.add_argument(
        "--max-minutes", type=float, help="training time; more minutes on a later call resume"
    )
    parser.add_argument("--max-steps", type=int, help="steps; alone, it makes a run repeatable by seed")
    parser.add_argument("--batch-size", type=int, default=batch_size)
    parser.add_argument("--rate", type=float, default=7e-4, help="peak learning rate")
    parser.add_argument("--dropout", type=float, default=dropout)
    parser.add_argument("--check-every", type=float, default=120.0, help="seconds between validations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="start over although a state is there")
    return parser


if __name__ == "__main__":
    main()
