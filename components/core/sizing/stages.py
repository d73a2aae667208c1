"""How pipeline parallelism shares a model's layers out."""


def stage_sizes(layers: int, stages: int) -> list[int]:
    """Layers of each stage (`get_pp_indices`: what is over goes to those before the last).

    Args:
        layers: Of the model.
        stages: `pipeline_parallel_size`, at least 1.
    """
    share, over = divmod(layers, stages)
    sizes = [share] * stages
    for back in range(2, over + 2):
        sizes[-back] += 1
    return sizes
