import torch

from evergreen.tasks.averaging import changing_weights, mix


class Network(torch.nn.Module):
    """A frozen weight, one that learns, and a normalisation with its statistics."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.frozen = torch.nn.Parameter(torch.tensor(value), requires_grad=False)
        self.learns = torch.nn.Parameter(torch.tensor(value))
        self.norm = torch.nn.BatchNorm1d(1)
        assert self.norm.running_mean is not None
        self.norm.running_mean.fill_(value)
        assert self.norm.num_batches_tracked is not None
        self.norm.num_batches_tracked.fill_(int(value))


def test_a_mixture_has_that_share_of_the_other_weights_and_statistics() -> None:
    begun, network = changing_weights(Network(2.0)), Network(10.0)
    mix(network, begun, 0.25)
    assert network.learns.item() == 8.0
    assert network.norm.running_mean is not None
    assert network.norm.running_mean.item() == 8.0


def test_what_is_frozen_or_counted_stays() -> None:
    begun, network = changing_weights(Network(2.0)), Network(10.0)
    mix(network, begun, 0.5)
    assert network.frozen.item() == 10.0
    assert network.norm.num_batches_tracked is not None
    assert network.norm.num_batches_tracked.item() == 10


def test_the_copies_stay_as_training_goes_on() -> None:
    network = Network(2.0)
    begun = changing_weights(network)
    network.learns.data += 5
    assert begun["learns"].item() == 2.0


def test_all_of_the_others_gives_them_back_to_the_bit() -> None:
    torch.manual_seed(0)
    first, second = torch.nn.Linear(50, 50), torch.nn.Linear(50, 50)
    kept = changing_weights(first)
    mix(first, changing_weights(second), 0.3)
    mix(first, kept, 1.0)
    assert all(torch.equal(weight, kept[name]) for name, weight in first.named_parameters())
