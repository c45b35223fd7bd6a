"""One network for all views or one for each: their weights, and how each is made of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from WristQCLib.models.gu2net import Answer, GU2Net, domains_in, of_domains

PREFIX = "views"


class ViewNetworks(nn.Module):
    """A network for each view, which together answer as a universal one would.

    Parameters
    ----------
    networks
        Of the views, in order; each has a domain for whole images and may have one for the second
        look. Those for whole images are the first domains of all, then come the second looks'.
    """

    def __init__(self, networks: Sequence[GU2Net]) -> None:
        super().__init__()
        self.views = nn.ModuleList(networks)

    def detect(self, image: Tensor, domain: int) -> tuple[Tensor, Tensor]:
        """As `GU2Net.detect`."""
        look, view = divmod(domain, len(self.views))
        answer: tuple[Tensor, Tensor] = self.views[view].detect(image, look)  # type: ignore[operator]
        return answer

    def answer(self, image: Tensor, domain: int) -> Answer:
        """As `GU2Net.answer`."""
        look, view = divmod(domain, len(self.views))
        answer: Answer = self.views[view].answer(image, look)  # type: ignore[operator]
        return answer


def of_view(state: Mapping[str, Tensor], place: int, count: int) -> dict[str, Tensor]:
    """The weights of one view's network, out of those of `count` views, in either form."""
    own = f"{PREFIX}.{place}."
    if any(name.startswith(own) for name in state):
        return {n.removeprefix(own): t for n, t in state.items() if n.startswith(own)}
    return of_domains(state, range(place, domains_in(state), count))


def side_by_side(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The weights of `ViewNetworks` from those of the views."""
    return {
        f"{PREFIX}.{place}.{name}": tensor
        for place, state in enumerate(states)
        for name, tensor in state.items()
    }


def share_a_network(states: Sequence[Mapping[str, Tensor]]) -> bool:
    """Whether all that networks share between domains is the same in each of these."""
    first = states[0]
    if any(domains_in(state) != domains_in(first) for state in states):
        return False
    shared = [{n: t for n, t in state.items() if ".layers." not in n} for state in states]
    return all(
        other.keys() == shared[0].keys()
        and all(torch.equal(tensor, other[name]) for name, tensor in shared[0].items())
        for other in shared[1:]
    )


def universal(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The weights of the network that serves all domains: the reverse of `of_view`.

    Each state has a domain for whole images and may have one for the second look; the universal
    network has first those for whole images, then the second looks'.

    Raises
    ------
    ValueError
        If they are not parts of one network.
    """
    if not share_a_network(states):
        raise ValueError("The networks of the views are not parts of a universal one.")
    joined = {}
    for index, state in enumerate(states):
        for name, tensor in state.items():
            before, separator, after = name.partition(".layers.")
            if separator:
                look, _, rest = after.partition(".")
                name = f"{before}.layers.{int(look) * len(states) + index}.{rest}"
            joined[name] = tensor
    return joined
