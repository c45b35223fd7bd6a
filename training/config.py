"""The settings of one training, read from a JSON file; a misspelt key is an error."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

TASKS = ("keypoints", "artefact", "view")


@dataclass(frozen=True)
class Augmentation:
    """How much training images vary.

    Attributes
    ----------
    flip
        Probability of a flip, for each axis. Legal for both views: names follow the anatomy.
    rotation_deg
        Largest rotation to either side.
    any_rotation
        Probability of a rotation by any angle instead.
    scale
        Smallest and largest extra magnification.
    shift
        Largest shift, as a share of the input's size.
    shift_px
        Largest shift in input pixels, on top of that.
    stretch
        Largest relative difference between the two axes.
    crop
        Probability that the image is first cut to a smaller field. Points outside are absent.
    zoom
        Probability of a box around some keypoints, as the second look sees it.
    edge
        Probability that a frontal image's field ends near the thumb's joint.
    leave
        Probability that a lateral image's field ends so that a shaft leaves it early, most often
        through a side. Of images whose shafts' courses are known, see `LabelledImage.midlines`.
    astray
        Probability that a second look for the thumb's joint is taken at another place, where a
        first look may have seen it: that it is not there must be learned too. Unless it is 0, all
        looks for a joint that is nowhere are taken so.
    look
        Probability of each change of the grey values.
    occlusion
        Probability of an opaque patch or a letter on the image.
    objects
        Probability that a foreign object is laid into the image, which then has one.
    letters
        Probability that lead letters are laid into the image, which are no foreign object.
    bank
        How many foreign objects are drawn before the training, to be laid into its images.
    """

    flip: float = 0.5
    rotation_deg: float = 15.0
    any_rotation: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    shift_px: float = 0.0
    stretch: float = 0.0
    crop: float = 0.0
    zoom: float = 0.0
    edge: float = 0.0
    leave: float = 0.0
    astray: float = 0.0
    look: float = 0.0
    occlusion: float = 0.0
    objects: float = 0.0
    letters: float = 0.0
    bank: int = 1000


@dataclass(frozen=True)
class Optimisation:
    """Optimiser and learning rate.

    Attributes
    ----------
    optimizer
        ``adam``, ``adamw`` or ``sgd`` (momentum 0.9).
    schedule
        ``cosine``: a linear rise over the first 5 % to `learning_rate`, then a half cosine to 0.
        ``cyclic``: between `learning_rate` / 10 and `learning_rate`, up and down in `period`
        epochs each. ``step``: a tenth after each of `milestones` (epochs).
    """

    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    schedule: str = "cosine"
    period: int = 50
    milestones: tuple[int, ...] = ()


@dataclass(frozen=True)
class LossWeights:
    """Weights of the losses, see `training.losses`.

    Attributes
    ----------
    heat_map, location, presence
        Of a keypoint network, see `keypoint_loss`.
    shafts
        Of the shafts that it is made to trace beside its points, see `training.shafts`.
    cells
        Of a classifier that has them.
    """

    heat_map: float = 1.0
    location: float = 0.0
    presence: float = 1.0
    cells: float = 0.0
    shafts: float = 0.0


@dataclass(frozen=True)
class TrainingConfig:
    """One training.

    Attributes
    ----------
    name
        Of the run, for logs.
    task
        One of `TASKS`.
    views
        Domains of the keypoint network, in order; for classifiers, the views that they see.
    turns
        Order in which batches of the views follow each other, by index; empty: evenly.
    universal
        One network serves all views, as in GU2Net's publication; otherwise each has its own.
    close_domains
        The second look has domains of its own, after those of the whole images.
    seeks_outside
        In a second look, a point that the collimator or an augmentation has cut off is sought where
        it would be, as far as that is known. That a joint lies beyond the field is seen at its
        place; a map that may only be empty for it, or show it inside, does not learn where the
        border comes first.
    network
        Keyword arguments of the network class.
    input_size
        (rows, columns).
    patch_size
        (rows, columns) that an artefact classifier is trained on, cut from the input at random: it
        learns as much from a part in a fraction of the time. None: the whole input.
    patch_on_object
        Share of the parts of an image with foreign objects that are cut about one of them. A ring
        is in few of those that are cut anywhere.
    whole_epochs
        Epochs at the end, with the whole input after all.
    letterbox
        ``isotropic`` or ``anisotropic`` (the paper's).
    sigma
        Of the heat maps, in input pixels.
    hard_share
        Share of the images that are drawn by how badly the network answers them, rather than
        evenly, see `MixedBatches`. A tenth of the images makes up half of a trained network's loss.
    hard_epochs
        After so many epochs it is measured anew how badly.
    batch_size
        Images of a step, in each process.
    samples_per_epoch
        Images drawn per epoch, by all processes; None: as many as there are.
    epochs
        Length of the training.
    minutes
        Limit by the clock: where it is nearer than the end of `epochs`, the schedule follows the
        clock, and the result depends on the machine.
    patience
        The training ends after so many epochs without a lower validation loss; None: it does not.
    average
        Decay of the moving average of the weights per step; 0 keeps the plain weights.
    frozen_norms
        Batch norms keep the statistics that they begin with, and normalise by them in training as
        they do afterwards: few images do not tell better ones.
    cache_side
        Longer side of the images kept in memory, pixels.
    """

    name: str
    task: str
    views: tuple[str, ...] = ("frontal", "lateral")
    turns: tuple[int, ...] = ()
    universal: bool = True
    close_domains: bool = False
    seeks_outside: bool = False
    network: dict[str, Any] = field(default_factory=dict)
    input_size: tuple[int, int] = (384, 320)
    patch_size: tuple[int, int] | None = None
    patch_on_object: float = 0.0
    whole_epochs: int = 0
    letterbox: str = "isotropic"
    sigma: float = 3.0
    losses: LossWeights = field(default_factory=LossWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimisation: Optimisation = field(default_factory=Optimisation)
    hard_share: float = 0.0
    hard_epochs: int = 10
    batch_size: int = 16
    samples_per_epoch: int | None = None
    validation_images: int = 400
    epochs: int = 200
    minutes: float | None = None
    patience: int | None = None
    average: float = 0.0
    frozen_norms: bool = False
    bf16: bool = False
    cache_side: int = 768
    workers: int = 1
    threads: int = 2
    seed: int = 1

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"Unknown task '{self.task}': use one of {TASKS}.")

    @classmethod
    def read(cls, path: Path) -> TrainingConfig:
        """Read a JSON file.

        Raises
        ------
        ValueError
            If a key or a value is unknown, naming the file.
        """
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"The training configuration '{path}' is wrong: {error}") from error

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> TrainingConfig:
        """From nested dictionaries; lists become tuples, ``_comment`` is left out."""
        nested = {
            "losses": LossWeights,
            "augmentation": Augmentation,
            "optimisation": Optimisation,
        }
        values = {}
        for key, value in content.items():
            if key == "_comment":
                continue
            if key in nested:
                values[key] = nested[key](**{k: _tuple(v) for k, v in value.items()})
            else:
                values[key] = _tuple(value)
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown keys {sorted(unknown)}.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON and for `from_dict`."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
